import numpy as np
import pytest

from histoseg.errors import UnreadableFileError
from histoseg.ops.class_masks import merge_class_masks


def pixel_by_pixel(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    instances, semantic = np.zeros(masks.shape[:2], int), np.zeros(masks.shape[:2], int)
    offset = 0
    for channel in range(masks.shape[2]):
        ids = sorted(set(masks[:, :, channel].ravel()) - {0})
        for number, value in enumerate(ids, start=1):
            instances[masks[:, :, channel] == value] = offset + number
            semantic[masks[:, :, channel] == value] = channel + 1
        offset += len(ids)
    return instances, semantic


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint16, np.int32])
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_loop(seed: int, dtype: type) -> None:
    rng = np.random.default_rng(seed)
    masks = (rng.integers(0, 9, (12, 14, 5)) * (rng.random((12, 14, 5)) < 0.3) * 7).astype(dtype)
    instances, semantic = merge_class_masks(masks, "a")
    assert (instances.dtype, semantic.dtype) == (np.int32, np.uint8)
    expected = pixel_by_pixel(masks)
    np.testing.assert_array_equal(instances, expected[0])
    np.testing.assert_array_equal(semantic, expected[1])


@pytest.mark.parametrize("value", [-1, 1.5, np.nan, np.inf, -np.inf])
def test_refuses_impossible_ids(value: float) -> None:
    masks = np.zeros((4, 4, 3))
    masks[0, 0, 0], masks[1, 1, 2], masks[2, 2, 2] = 3, value, 5
    with pytest.raises(UnreadableFileError, match=r"tile 7: mask channel 2 holds .* whole ids"):
        merge_class_masks(masks, "tile 7")
