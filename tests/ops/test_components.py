import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.ndimage import label

from histoseg.ops import split_components

maps = arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 4))


def split_one_by_one(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    out, top = labels.copy(), labels.max()
    for i in np.unique(labels[labels > 0]):
        parts, count = label(labels == i)
        for part in range(2, count + 1):
            top += 1
            out[parts == part] = top
    return out


@given(maps)
def test_equals_the_plain_loop(labels: NDArray[np.int32]) -> None:
    before = labels.copy()
    np.testing.assert_array_equal(split_components(labels), split_one_by_one(labels))
    np.testing.assert_array_equal(labels, before)


def test_touching_objects_stay_two_and_diagonal_parts_are_apart() -> None:
    labels = np.array([[3, 3, 9], [0, 9, 0], [3, 3, 0]], dtype=np.uint16)
    split = split_components(labels)
    assert split.dtype == np.uint16
    assert split.tolist() == [[3, 3, 9], [0, 11, 0], [10, 10, 0]]


def test_a_type_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="uint8 has no room for 1 ids above 255"):
        split_components(np.array([[255, 0, 255]], dtype=np.uint8))


def test_other_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="float64"):
        split_components(np.zeros((2, 2)))
