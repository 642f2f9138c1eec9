import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from histoseg.ops.instance_pixels import instance_pixels, majority

LABELS = arrays(np.int32, (7, 6), elements=st.sampled_from([0, 0, 1, 2, 5, 900, 2**31 - 1]))


@given(LABELS)
def test_pixels_agree_with_a_loop_over_ids(labels: np.ndarray) -> None:
    pixels = instance_pixels(labels)
    boxes = pixels.boxes()
    centroids = pixels.centroids(boxes)
    expected = [number for number in np.unique(labels) if number]
    assert pixels.ids.tolist() == expected
    for row, number in enumerate(expected):
        y, x = np.nonzero(labels == number)
        assert pixels.area[row] == len(y)
        assert boxes[row] == (slice(y.min(), y.max() + 1), slice(x.min(), x.max() + 1))
        np.testing.assert_allclose(centroids[row], [x.mean(), y.mean()], rtol=1e-12)
        assert np.array_equal(pixels.row_map == row + 1, labels == number)
    assert np.array_equal(pixels.row_map == 0, labels == 0)


@given(LABELS, arrays(np.uint8, (7, 6), elements=st.integers(0, 3)))
def test_votes_agree_with_a_loop_over_ids(labels: np.ndarray, semantic: np.ndarray) -> None:
    pixels = instance_pixels(labels)
    votes = pixels.votes(semantic)
    classes, share = majority(votes)
    for row, number in enumerate(pixels.ids):
        voters = semantic[labels == number]
        counts = [np.count_nonzero(voters == k) for k in range(4)]
        assert votes[row].tolist() == counts[: votes.shape[1]]
        best = max(range(1, 4), key=lambda k: (counts[k], -k)) if any(counts[1:]) else 0
        assert classes[row] == best
        assert share[row] == counts[best] / (len(voters) + 1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16])
def test_any_integer_type_will_do(dtype: type) -> None:
    assert instance_pixels(np.eye(3, dtype=dtype) * 7).ids.tolist() == [7]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((2, 2)), "integers"),
        (np.zeros((1, 2, 2), dtype=int), "map"),
        (np.array([[-1, 0]]), "relabel"),
        (np.array([[2**31, 0]]), "relabel"),
    ],
)
def test_what_is_no_label_map_is_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        instance_pixels(labels)


def test_votes_refuse_another_shape_and_negative_classes() -> None:
    pixels = instance_pixels(np.ones((2, 2), dtype=int))
    with pytest.raises(ValueError, match="same region"):
        pixels.votes(np.zeros((2, 3), dtype=int))
    with pytest.raises(ValueError, match="0 or more"):
        pixels.votes(np.full((2, 2), -1))
