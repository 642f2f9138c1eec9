import cv2
import numpy as np
import pytest
from skimage.measure import label, regionprops

from histoseg.ops.outlines import edge_outlines
from histoseg.ops.shapes import measure_shapes


def test_area_and_eccentricity_are_those_of_the_pixels() -> None:
    rng = np.random.default_rng(3)
    mask = np.zeros((300, 300), np.uint8)
    for x, y in rng.integers(20, 280, (40, 2)).tolist():
        axes = tuple(int(a) for a in rng.integers(1, 14, 2))
        cv2.ellipse(mask, (x, y), axes, float(rng.integers(180)), 0, 360, 1, -1)
    regions = [r for r in regionprops(label(mask, connectivity=1)) if r.euler_number == 1]
    contours = []
    for region in regions:
        found, _ = cv2.findContours(
            region.image.astype(np.uint8),
            cv2.RETR_EXTERNAL,
            cv2.CHAIN_APPROX_SIMPLE,
            offset=(region.bbox[1], region.bbox[0]),
        )
        contours.append(found[0][:, 0])
    shapes = measure_shapes(contours, edge_outlines(contours))
    assert len(regions) > 10
    np.testing.assert_array_equal(shapes.area, [r.area for r in regions])
    for region, eccentricity in zip(regions, shapes.eccentricity, strict=True):
        # a pixel is a square, not a point: its own variance is 1/12 along each axis
        minor, major = np.linalg.eigvalsh(np.cov(region.coords.T, bias=True) + np.eye(2) / 12)
        assert eccentricity == pytest.approx(np.sqrt(1 - minor / major), abs=1e-9)


def test_a_rectangle_in_closed_form() -> None:
    contour = [np.array([[10, 5], [10, 8], [17, 8], [17, 5]])]  # 8 x 4 pixels
    shapes = measure_shapes(contour, edge_outlines(contour))
    assert shapes.area[0] == 32
    assert shapes.perimeter[0] == pytest.approx(2 * (7 + 3) + np.pi)
    assert shapes.eccentricity[0] == pytest.approx(np.sqrt(1 - (4 / 8) ** 2))


def test_the_perimeter_of_a_disc_is_within_six_percent() -> None:
    yy, xx = np.mgrid[:50, :50]
    disc = ((yy - 25) ** 2 + (xx - 25) ** 2 <= 20.5**2).astype(np.uint8)
    found, _ = cv2.findContours(disc, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    contour = [found[0][:, 0]]
    perimeter = measure_shapes(contour, edge_outlines(contour)).perimeter[0]
    assert perimeter == pytest.approx(2 * np.pi * 20.5, rel=0.06)


def test_one_pixel_and_none() -> None:
    pixel = [np.array([[3, 3]])]
    shapes = measure_shapes(pixel, edge_outlines(pixel))
    assert (shapes.area[0], shapes.eccentricity[0]) == (1, 0)
    assert len(measure_shapes([], edge_outlines([])).area) == 0
