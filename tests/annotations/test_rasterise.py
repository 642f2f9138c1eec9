import numpy as np
import pytest

from histoseg.annotations import Shape, rasterise
from histoseg.errors import UnreadableFileError


def box(x0: float, y0: float, x1: float, y1: float, **said: object) -> Shape:
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=float)
    return Shape("polygon", corners, **said)  # type: ignore[arg-type]


LARGE, SMALL = box(0, 0, 9, 9, where="large"), box(3, 3, 5, 5, where="small")


@pytest.mark.parametrize("shapes", [(LARGE, SMALL), (SMALL, LARGE)])
def test_the_smaller_lies_on_top_in_either_order(shapes: tuple[Shape, ...]) -> None:
    out = rasterise(shapes, None, (10, 10))
    assert np.bincount(out.instances.ravel())[1 + shapes.index(SMALL)] == 9
    assert out.semantic is None
    assert not out.dropped


def test_other_rules_of_overlap() -> None:
    assert rasterise((LARGE, SMALL), None, (10, 10), overlap="later").instances[4, 4] == 2
    later = rasterise((SMALL, LARGE), None, (10, 10), overlap="later")
    larger = rasterise((LARGE, SMALL), None, (10, 10), overlap="larger")
    for out in (later, larger):
        assert (out.instances == out.instances[0, 0]).all()
        assert [d.where for d in out.dropped] == ["small"]


def test_what_is_left_of_a_covered_object_is_dropped_too() -> None:
    shapes = (box(0, 0, 9, 9, where="under"), box(0, 0, 9, 5, where="over"))
    out = rasterise(shapes, None, (10, 10))
    assert set(np.unique(out.instances)) == {0, 2}
    assert out.dropped[0].where == "under"
    assert out.dropped[0].why == "overlapping: 60 of its 100 pixels belong to other objects"
    kept = rasterise(shapes, None, (10, 10), max_lost=1)
    assert np.bincount(kept.instances.ravel()).tolist() == [0, 40, 60]


def test_of_two_equal_objects_the_later_stays() -> None:
    out = rasterise((LARGE, LARGE), None, (10, 10))
    assert (out.instances == 2).all()
    assert len(out.dropped) == 1


def test_classes_unknown_unwanted_and_known() -> None:
    shapes = (
        box(0, 0, 2, 2, label="a", where="1"),
        box(4, 0, 6, 2, label="b", where="2"),
        box(0, 4, 2, 6, label="c", where="3", colour=(255, 0, 16)),
    )
    out = rasterise(shapes, lambda s: {"a": 7, "b": 0}.get(s.label or ""), (8, 8))
    assert out.semantic is not None
    assert out.semantic.dtype == np.uint8
    np.testing.assert_array_equal(out.semantic, 7 * (out.instances == 1))
    assert [(d.where, d.why) for d in out.dropped] == [
        ("3", "unknown class: label 'c', colour #ff0010")
    ]


def test_each_reason_to_drop_has_its_words() -> None:
    shapes = (
        box(20, 0, 25, 5, where="right"),
        box(2.2, 2.2, 2.8, 2.8, where="between"),
        Shape("point", np.zeros((1, 2)), where="dot"),
        box(-5, -5, 1, 1, where="clipped"),
    )
    out = rasterise(shapes, None, (10, 10))
    assert {d.where: d.why for d in out.dropped} == {
        "right": "outside the image of 10 x 10 pixels",
        "between": "too small: no pixel has its centre in it",
        "dot": "a point has no area",
    }
    assert (out.instances == 4).sum() == 4


def test_nothing_drawn_is_all_background() -> None:
    out = rasterise((), lambda _: 1, (4, 6))
    assert out.instances.shape == (4, 6)
    assert not out.instances.any()
    assert out.semantic is not None
    assert not out.semantic.any()


@pytest.mark.parametrize("size", [(40_000, 40_000), (0, 5)])
def test_a_size_that_takes_all_memory_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UnreadableFileError, match="cut larger images"):
        rasterise((), None, size)


def test_scaling_keeps_corners_of_the_image() -> None:
    whole = box(-0.5, -0.5, 9.5, 19.5).scaled((0.5, 2))
    np.testing.assert_allclose(whole.exterior_xy.max(axis=0), [4.5, 39.5])
    np.testing.assert_allclose(whole.exterior_xy.min(axis=0), [-0.5, -0.5])


def test_an_outline_that_would_take_all_memory_is_dropped() -> None:
    zigzag = np.stack([np.arange(40_000) % 2 * 3.0, np.arange(40_000) % 2 * 1000.0], axis=1)
    shapes = (Shape("polygon", zigzag, where="zigzag"), box(0, 0, 2, 2))
    out = rasterise(shapes, None, (1000, 10))
    assert (out.instances > 0).sum() == 9
    assert [d.why for d in out.dropped] == [
        "no object: its 40000 points pass the image thousands of times"
    ]
