import random

import albumentations as A  # noqa: N812
import numpy as np
import pytest

from histoseg.data import Symmetry

ELEMENTS = ("e", "r90", "r180", "r270", "v", "hvt", "h", "t")


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 9)])
def test_equals_albumentations(element: str, dtype: type, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    turned = Symmetry(p=1).apply(array, element)
    expected = A.D4(p=1).apply(array, element)
    assert turned.dtype == dtype
    np.testing.assert_array_equal(turned, expected)


def test_draws_as_albumentations_does() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    ours, theirs = A.Compose([Symmetry(p=0.7)]), A.Compose([A.D4(p=0.7)])
    for seed in range(30):
        for pipeline in (ours, theirs):
            pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))
        np.testing.assert_array_equal(ours(image=image)["image"], theirs(image=image)["image"])
