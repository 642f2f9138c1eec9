import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from histoseg.contracts import Array
from histoseg.ops import polygon_pixels
from histoseg.ops.outlines import edge_outlines
from histoseg.ops.polygon_pixels import polygon_spans
from writers.drawn import hard_labels


def mask_of(rings: list[Array], size: tuple[int, int]) -> Array:
    canvas = np.zeros(size, dtype=np.int32)
    spans = polygon_spans([np.asarray(r, dtype=float) for r in rings], np.zeros(len(rings)), size)
    spans.paint(canvas, spans.owner + 1)
    assert spans.pixels(1)[0] == canvas.sum()
    return canvas > 0


@settings(max_examples=150, deadline=None)
@given(
    points=st.lists(st.tuples(st.integers(-16, 48), st.integers(-16, 48)), min_size=3, max_size=9),
    half=st.sampled_from([1, 2, 3]),
)
def test_as_shapely_says_inside_or_on_the_outline(points: list[tuple[int, int]], half: int) -> None:
    ring = np.array(points) / half
    y, x = np.mgrid[:30, :40]
    inside = shapely.contains_xy(shapely.Polygon(ring), x, y)
    on = shapely.distance(shapely.LinearRing(ring), shapely.points(x, y)) < 1e-9
    np.testing.assert_array_equal(mask_of([ring], (30, 40)), inside | on)


@pytest.mark.parametrize("seed", range(5))
def test_contours_and_edges_of_any_blob_give_its_pixels_back(seed: int) -> None:
    noise = np.random.default_rng(seed).random((50, 70))
    mask = (cv2.GaussianBlur(noise, (0, 0), 1.5) > 0.5).astype(np.uint8)
    contours, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outer = [c[:, 0] for c, h in zip(contours, hierarchy[0], strict=True) if h[3] < 0]
    filled = np.zeros_like(mask)
    cv2.drawContours(filled, [c[:, None] for c in outer], -1, 1, cv2.FILLED)
    found = np.zeros(mask.shape, dtype=bool)
    for contour in outer:
        found |= mask_of([contour], mask.shape)
    np.testing.assert_array_equal(found, filled > 0)


def test_edge_outlines_of_hard_objects_give_their_pixels_back() -> None:
    labels = hard_labels()
    for key in set(np.unique(labels)) - {0, 20}:  # 20: pixels that meet at corners only
        mask = labels == key
        contours, _ = cv2.findContours(
            mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        ring = edge_outlines([contours[0][:, 0]]).points_xy[:-1] - 0.5
        np.testing.assert_array_equal(mask_of([ring], mask.shape), mask)


def test_holes_and_separate_parts_go_by_even_and_odd() -> None:
    outer = [[0, 0], [9, 0], [9, 9], [0, 9]]
    hole = [[2.5, 2.5], [6.5, 2.5], [6.5, 6.5], [2.5, 6.5]]
    island = [[14, 1], [16, 1], [16, 3], [14, 3]]
    mask = mask_of([outer, hole, island], (12, 20))
    expected = np.zeros((12, 20), dtype=bool)
    expected[:10, :10] = True
    expected[3:7, 3:7] = False
    expected[1:4, 14:17] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_polygon_far_larger_than_the_image_costs_no_more_than_the_image() -> None:
    assert mask_of([[[-1e7, -1e7], [1e7, -1e7], [1e7, 1e7], [-1e7, 1e7]]], (5, 6)).all()


def test_no_polygons() -> None:
    assert polygon_spans([], np.zeros(0), (4, 4)).pixels(3).tolist() == [0, 0, 0]


def test_many_polygons_in_pieces_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rings = [rng.uniform(0, 60, (5, 2)) for _ in range(40)]
    owner = np.repeat(np.arange(20), 2)
    whole = polygon_spans(rings, owner, (50, 60))
    monkeypatch.setattr(polygon_pixels, "AT_ONCE", 300)
    for part, column in zip(polygon_spans(rings, owner, (50, 60)), whole, strict=True):
        np.testing.assert_array_equal(part, column)
