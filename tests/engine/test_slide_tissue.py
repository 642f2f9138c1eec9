"""Where the engine looks on a slide: drawn regions, masks, and slides whose scan starts inside."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from histoseg.engine.slides.find_mask import find_mask, mask_file
from histoseg.engine.slides.mask_files import write_mask
from histoseg.errors import SlideError
from histoseg.slides import SlideEntry, TissueMask
from histoseg.slides.box import Box
from histoseg.writers import check_geojson


@dataclass
class Scanned:
    """What is asked of a slide; its scan starts at (100, 40), as of some MIRAX files."""

    size: tuple[int, int] = (400, 600)
    bounds: Box = Box(100, 40, 600, 400)  # noqa: RUF009  a tuple
    mpp: tuple[float, float] = (8.0, 8.0)
    name: str = "slide"


def square(path: Path, left: int, top: int, side: int) -> Path:
    ring = [[left, top], [left + side, top], [left + side, top + side], [left, top + side]]
    geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    feature = {"type": "Feature", "geometry": geometry, "properties": {"objectType": "annotation"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def test_regions_of_qupath_count_from_the_corner_of_the_scan(tmp_path: Path) -> None:
    drawn = square(tmp_path / "regions.geojson", 50, 60, 80)
    assert mask_file(SlideEntry(tmp_path / "slide.mrxs", "slide"), str(drawn)) == drawn
    mask = find_mask(Scanned(), drawn, str(drawn))  # type: ignore[arg-type]
    rows, columns = np.nonzero(mask.inside)
    assert (columns.min(), rows.min()) == (150, 100)
    assert (columns.max(), rows.max()) == pytest.approx((230, 180), abs=1)


def test_a_folder_of_masks_goes_by_the_names_of_slides(tmp_path: Path) -> None:
    square(tmp_path / "a.geojson", 0, 0, 9)
    cv2.imwrite(str(tmp_path / "b.c.png"), np.full((4, 6), 255, np.uint8))
    for name, file in (("a", "a.geojson"), ("b.c", "b.c.png")):
        entry = SlideEntry(tmp_path / f"{name}.svs", name)
        assert mask_file(entry, str(tmp_path)) == tmp_path / file
    with pytest.raises(SlideError, match=r"no mask for .*z\.svs: expected z\.png"):
        mask_file(SlideEntry(tmp_path / "z.svs", "z"), str(tmp_path))
    with pytest.raises(SlideError, match="there is no such file or folder"):
        mask_file(SlideEntry(tmp_path / "a.svs", "a"), str(tmp_path / "none"))


def test_a_mask_of_other_proportions_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "mask.png"), np.full((60, 60), 255, np.uint8))
    with pytest.raises(SlideError, match=r"60 x 60 .* does not fit a slide of 600 x 400"):
        find_mask(Scanned(), tmp_path / "mask.png", "")  # type: ignore[arg-type]


def test_a_file_without_regions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(SlideError, match="has no regions"):
        find_mask(Scanned(), tmp_path / "none.geojson", "")  # type: ignore[arg-type]


def test_the_mask_as_geojson_lies_where_qupath_shows_the_slide(tmp_path: Path) -> None:
    inside = np.zeros((40, 60), np.bool_)
    inside[10:30, 20:50] = True
    inside[15:20, 30:35] = False
    inside[35, 55] = True  # one pixel has an area too
    mask = TissueMask(inside, (10.0, 10.0), (400, 600))
    png, path = sorted(
        write_mask(tmp_path, "slide", Scanned(), mask),  # type: ignore[arg-type]
        key=lambda p: p.suffix,
        reverse=True,
    )
    assert check_geojson(path) == []
    large, small = sorted(
        (f["geometry"]["coordinates"] for f in json.loads(path.read_text())["features"]),
        key=len,
        reverse=True,
    )
    assert (len(large), len(small)) == (2, 1), "the hole is kept"
    ring = np.array(large[0])
    assert ring.min(axis=0) == pytest.approx((200 - 100, 100 - 40), abs=5)
    assert ring.max(axis=0) == pytest.approx((500 - 100, 300 - 40), abs=5)
    np.testing.assert_array_equal(cv2.imread(str(png))[..., 0] > 0, inside)
    again = find_mask(Scanned(), path, str(path))  # type: ignore[arg-type]
    assert again.share == pytest.approx(mask.share, abs=0.03)
    assert not again.any_in(310, 160, 340, 190), "the hole is kept when it is read again"


def test_all_parts_of_a_drawn_region_count(tmp_path: Path) -> None:
    def box(left: int, top: int, side: int) -> list[list[int]]:
        right, bottom = left + side, top + side
        return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]

    parts = [[box(0, 0, 200), box(50, 50, 100)], [box(300, 100, 100)]]
    feature = {"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": parts}}
    path = tmp_path / "regions.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    inside = find_mask(Scanned(), path, str(path)).any_in  # type: ignore[arg-type]
    left, top = np.array([(110, 50), (200, 140), (450, 190), (350, 190)]).T
    assert inside(left, top, left + 8, top + 8).tolist() == [True, False, True, False]
