import numpy as np

from histoseg.contracts import Array
from histoseg.postprocess import ClassRegions


def maps_of(kind: Array, count: int = 1, sure: float = 0.9) -> dict[str, Array]:
    others = (1 - sure) / count
    probability = np.full((count + 1, *kind.shape), others, np.float32)
    np.put_along_axis(probability, kind[None], sure, axis=0)
    return {"classes": probability}


def squares() -> Array:
    kind = np.zeros((24, 40), np.int64)
    kind[2:10, 2:10] = 1
    kind[2:10, 20:30] = 2
    kind[14:22, 2:12] = 2
    kind[16:18, 4:6] = 0  # a hole
    kind[22, 38] = 1  # dust
    return kind


def test_what_is_connected_and_of_one_class_is_one_object() -> None:
    found = ClassRegions(classes=["a", "b"])(maps_of(squares(), 2))
    assert found.semantic.tolist() == [1, 2, 2]
    assert found.labels[16, 4] == found.labels[15, 3] == 3  # the hole is filled
    assert found.labels[22, 38] == 0
    np.testing.assert_allclose(found.score[:2], 0.9, rtol=1e-6)


def test_objects_that_touch_are_told_apart_by_class_alone() -> None:
    kind = np.zeros((12, 20), np.int64)
    kind[2:8, 2:10], kind[2:8, 10:18] = 1, 2
    assert ClassRegions(classes=["a", "b"])(maps_of(kind, 2)).ids.tolist() == [1, 2]
    assert len(ClassRegions()(maps_of((kind > 0).astype(np.int64)))) == 1


def test_an_object_inside_another_stays() -> None:
    kind = np.zeros((20, 20), np.int64)
    kind[2:18, 2:18] = 1
    kind[7:13, 7:13] = 2
    found = ClassRegions(classes=["a", "b"])(maps_of(kind, 2))
    assert found.labels[9, 9] == 2
    assert found.semantic.tolist() == [1, 2]


def test_without_classes_objects_have_none() -> None:
    kind = (squares() > 0).astype(np.int64)
    found = ClassRegions(fill_holes=False)(maps_of(kind))
    assert found.semantic.tolist() == [0, 0, 0]
    assert found.labels[16, 4] == 0
    assert len(ClassRegions()(maps_of(np.zeros((5, 5), np.int64)))) == 0


def test_touching_discs_are_parted_at_their_waist() -> None:
    y, x = np.mgrid[:30, :50]
    left, right = (y - 15) ** 2 + (x - 16) ** 2 < 100, (y - 15) ** 2 + (x - 33) ** 2 < 100
    kind = (left | right).astype(np.int64)
    assert len(ClassRegions()(maps_of(kind))) == 1
    parted = ClassRegions(split=2)(maps_of(kind))
    assert len(parted) == 2
    assert (parted.labels > 0).sum() == kind.sum()
    assert parted.labels[15, 10] != parted.labels[15, 40]
