import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from histoseg.contracts import Array
from histoseg.ops.outlines import AT_ONCE, Rings, edge_outlines


def contour_of(mask: Array, mode: int = cv2.CHAIN_APPROX_SIMPLE) -> Array:
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, mode)
    assert len(found) == 1
    return found[0][:, 0]


def ring_of(rings: Rings, i: int = 0) -> shapely.Polygon:
    return shapely.Polygon(rings.points_xy[rings.offsets[i] : rings.offsets[i + 1]])


def union_of_squares(mask: Array) -> shapely.Geometry:
    y, x = np.nonzero(mask)
    return shapely.union_all(shapely.box(x, y, x + 1, y + 1))


@st.composite
def objects(draw: st.DrawFn) -> Array:
    """One object, connected over corners too, without holes."""
    seed, grain = draw(st.integers(0, 10_000)), draw(st.sampled_from([0.4, 0.8, 1.5]))
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((18, 22)), grain)
    labels, count = ndimage.label(noise > np.median(noise), structure=np.ones((3, 3)))
    return ndimage.binary_fill_holes(labels == draw(st.integers(1, count)))


@settings(max_examples=150, deadline=None)
@given(
    mask=objects(),
    mode=st.sampled_from([cv2.CHAIN_APPROX_SIMPLE, cv2.CHAIN_APPROX_NONE]),
    backward=st.booleans(),
    start=st.integers(0, 50),
)
def test_the_outline_is_the_union_of_the_pixel_squares(
    mask: Array, mode: int, backward: bool, start: int
) -> None:
    contour = np.roll(contour_of(mask, mode), start, axis=0)
    polygon = ring_of(edge_outlines([contour[::-1] if backward else contour]))
    parts = shapely.get_parts(union_of_squares(mask))
    assert polygon.is_valid
    assert polygon.area == shapely.area(parts).max()
    if len(parts) == 1:
        assert polygon.equals(shapely.Polygon(parts[0].exterior))


@pytest.mark.parametrize(
    ("contour", "corners"),
    [
        ([[4, 7]], [(4, 7), (4, 8), (5, 8), (5, 7)]),
        ([[0, 0], [0, 0]], [(0, 0), (0, 1), (1, 1), (1, 0)]),
        ([[0, 0], [3, 0]], [(0, 0), (0, 1), (4, 1), (4, 0)]),
        ([[2, 1], [2, 5]], [(2, 1), (2, 6), (3, 6), (3, 1)]),
        ([[0, 0], [1, 0], [0, 1]], [(0, 0), (0, 2), (1, 2), (1, 1), (2, 1), (2, 0)]),
    ],
)
def test_small_objects(contour: list[list[int]], corners: list[tuple[int, int]]) -> None:
    rings = edge_outlines([np.array(contour)])
    assert ring_of(rings).normalize() == shapely.Polygon(corners).normalize()
    assert len(rings.points_xy) == len(corners) + 1


def test_many_contours_are_as_each_alone() -> None:
    rng = np.random.default_rng(0)
    contours = [
        rng.integers(0, 9, (1, 2)) + np.array([[0, 0], [0, h], [w, h], [w, 0]])
        for w, h in rng.integers(1, 9, (AT_ONCE + 50, 2))
    ]
    rings = edge_outlines(contours)
    assert len(rings.offsets) == len(contours) + 1
    for i in (0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 49):
        alone = edge_outlines([contours[i]]).points_xy
        np.testing.assert_array_equal(
            rings.points_xy[rings.offsets[i] : rings.offsets[i + 1]], alone
        )


def test_a_coarse_polygon_becomes_a_valid_outline_near_it() -> None:
    corners = np.array([[0, 0], [30, 7], [22, 41], [5, 33]])
    polygon = ring_of(edge_outlines([corners]))
    grown = shapely.Polygon(corners + 0.5).buffer(1.5)
    assert polygon.is_valid
    assert grown.contains(polygon)
    assert polygon.contains(shapely.Polygon(corners + 0.5).buffer(-1))


def test_far_from_the_origin_nothing_is_lost() -> None:
    square = np.array([[0, 0], [0, 2], [2, 2], [2, 0]])
    here, far = edge_outlines([square]), edge_outlines([square + 3_000_000, square - 7])
    np.testing.assert_array_equal(far.points_xy[:5], here.points_xy + 3_000_000)
    np.testing.assert_array_equal(far.points_xy[5:], here.points_xy - 7)


def test_no_contour_gives_no_ring() -> None:
    assert len(edge_outlines([]).points_xy) == 0
    assert edge_outlines([]).offsets.tolist() == [0]


def test_an_empty_contour_is_refused() -> None:
    with pytest.raises(ValueError, match="contour 1 has no points"):
        edge_outlines([np.zeros((1, 2), int), np.zeros((0, 2), int)])
