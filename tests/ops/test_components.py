import numpy as np
import pytest
from scipy import ndimage

from histoseg.ops.components import split_components


def oracle(labels: np.ndarray) -> np.ndarray:
    """One component at a time: numbered per id, then new ids handed out in reading order."""
    out = labels.astype(np.int32).copy()
    spare = []
    for number in np.unique(labels[labels > 0]):
        parts, count = ndimage.label(labels == number)
        firsts = sorted((np.flatnonzero(parts == k)[0], k) for k in range(1, count + 1))
        spare += [(first, parts == k) for first, k in firsts[1:]]
    for shift, (_, mask) in enumerate(sorted(spare, key=lambda item: item[0]), start=1):
        out[mask] = labels.max() + shift
    return out


@pytest.mark.parametrize("seed", range(20))
def test_equals_the_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(0, 5, (12, 15)), np.ones((2, 2), int)) * 1000
    np.testing.assert_array_equal(split_components(labels), oracle(labels))


def test_diagonal_neighbours_are_apart() -> None:
    np.testing.assert_array_equal(split_components(np.array([[4, 0], [0, 4]])), [[4, 0], [0, 5]])


def test_touching_instances_stay_two() -> None:
    labels = np.array([[1, 1, 2, 2]])
    np.testing.assert_array_equal(split_components(labels), labels)


@pytest.mark.parametrize("fill", [0, 9])
def test_one_value_everywhere(fill: int) -> None:
    labels = np.full((3, 4), fill, dtype=np.uint8)
    out = split_components(labels)
    assert out.dtype == np.int32
    np.testing.assert_array_equal(out, labels)


def test_an_empty_array() -> None:
    assert split_components(np.zeros((0, 5), np.int32)).shape == (0, 5)


def test_refuses_a_stack() -> None:
    with pytest.raises(ValueError, match=r"\(H, W\), got shape \(1, 2, 2\)"):
        split_components(np.zeros((1, 2, 2), np.int32))


def test_ids_without_room_above_are_numbered_anew() -> None:
    top = 2**31 - 1
    parts = split_components(np.array([[top, 0, top, 0, 5]]))
    assert parts.tolist() == [[2, 0, 3, 0, 1]]
