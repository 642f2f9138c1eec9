"""Cells of Seg pictures: the original's numbers on real images, and rules on drawn ones."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from deepliif_sample import GOLDEN, Golden, pictures
from fakes.seg import marker_picture, seg_picture
from histoseg.contracts import Array, Nuclei
from histoseg.ops.instances import instances_from_labels
from histoseg.postprocess import DeepLIIFCells
from histoseg.postprocess.deepliif_pixels import as_uint8, find_cells
from histoseg.postprocess.deepliif_thresholds import (
    default_marker_threshold,
    default_size_threshold,
)
from histoseg.slides.image import read_image

CASES = pytest.mark.parametrize("golden", GOLDEN, ids=lambda g: f"{g.name}-{g.seg_thresh}")


def as_map(picture: Array) -> Array:
    """A picture as a map whose truncated 8-bit values are the picture's."""
    return np.moveaxis((picture + 0.5) / 255, -1, 0).astype(np.float32)


def counts(semantic: Array) -> tuple[int, int]:
    return int((semantic == 1).sum()), int((semantic == 2).sum())


@CASES
def test_counts_and_thresholds_of_the_original(golden: Golden, shared_data: Path) -> None:
    given = pictures(shared_data, golden.name)
    cells = DeepLIIFCells(seg_thresh=golden.seg_thresh)
    found = cells.find_in(given["seg"])
    calls = cells.settle([found.nuclei()])
    assert calls.size_thresh == golden.size
    assert counts(cells.called(found, calls).semantic) == golden.counts


@CASES
def test_the_marker_threshold_of_the_original(golden: Golden, shared_data: Path) -> None:
    given = pictures(shared_data, golden.name)
    if golden.marker is None:
        assert "marker" not in given
        return
    cells = DeepLIIFCells(seg_thresh=golden.seg_thresh, marker_thresh="default")
    found = cells.find_in(given["seg"], given["marker"])
    calls = cells.settle([found.nuclei()], found.marker_counts)
    positive, _ = counts(cells.called(found, calls).semantic)
    assert (calls.marker_thresh, positive) == golden.marker


@pytest.mark.parametrize(
    ("name", "resolution", "expected"),
    [
        ("22_2", "20x", (8, 115, 16)),
        ("22_2", "10x", (9, 128, 4)),
        ("6_2", "20x", (18, 79, 30)),
        ("6_2", "10x", (19, 88, 4)),
    ],
)
def test_limits_of_other_resolutions(
    name: str, resolution: str, expected: tuple[int, int, int], shared_data: Path
) -> None:
    cells = DeepLIIFCells(resolution=resolution)  # type: ignore[arg-type]
    found = cells.find_in(pictures(shared_data, name)["seg"])
    calls = cells.settle([found.nuclei()])
    assert (*counts(cells.called(found, calls).semantic), calls.size_thresh) == expected


@pytest.mark.parametrize(("name", "expected"), [("22_2", (10, 122, 49)), ("6_2", (22, 24, 49))])
def test_drawn_truths_of_the_original(
    name: str, expected: tuple[int, int, int], shared_data: Path
) -> None:
    seg = read_image(shared_data / "deepliif_sample" / "test_groundtruth" / f"{name}.png")
    cells = DeepLIIFCells()
    found = cells.find_in(seg)
    calls = cells.settle([found.nuclei()])
    assert (*counts(cells.called(found, calls).semantic), calls.size_thresh) == expected


def test_no_noise_gives_the_size_that_older_versions_wrote(shared_data: Path) -> None:
    cells = DeepLIIFCells(noise_thresh=0)
    found = cells.find_in(pictures(shared_data, "Bladder1")["seg"])
    assert cells.settle([found.nuclei()]).size_thresh == 30


def test_regions_of_a_picture_give_the_thresholds_of_the_whole(shared_data: Path) -> None:
    given = pictures(shared_data, "22_2")
    cells = DeepLIIFCells(marker_thresh="default")
    whole = cells.find_in(given["seg"], given["marker"])
    nuclei = whole.nuclei()
    parts = [nuclei[:50], nuclei[50:50], nuclei[50:]]
    calls = cells.settle(iter(parts), whole.marker_counts)
    assert calls == cells.settle([nuclei], whole.marker_counts)
    called = Nuclei.joined([calls(part) for part in parts])
    expected = cells.called(whole, calls)
    np.testing.assert_array_equal(called.ids, expected.ids)
    np.testing.assert_array_equal(called.semantic, expected.semantic)


def test_regions_with_a_halo_own_the_cells_of_the_whole() -> None:
    seg = seg_picture((480, 504), positive=120, negative=200, specks=60)
    marker = np.random.default_rng(0).integers(0, 256, (480, 504, 1)).astype(np.uint8)
    marker = np.repeat(marker, 3, axis=2)
    cells, halo, core = DeepLIIFCells(marker_thresh="default"), 24, 130
    parts, strengths = [], np.zeros(256, np.int64)
    for top in range(0, 480, core):
        for left in range(0, 504, core):
            y, x = max(top - halo, 0), max(left - halo, 0)
            box = np.s_[y : top + core + halo, x : left + core + halo]
            nuclei = cells.find_in(seg[box], marker[box]).nuclei().shifted(x, y)
            first = nuclei.points_xy[nuclei.offsets[:-1]] - (left, top)
            parts.append(nuclei[((first >= 0) & (first < core)).all(axis=1)])
            inside = cells.marker_counts({"marker": as_map(marker[top:, left:][:core, :core])})
            assert inside is not None
            strengths += inside
    assert cells.marker_counts({"seg": as_map(seg)}) is None
    whole = cells.find_in(seg, marker)
    calls = cells.settle(iter(parts), strengths)
    assert calls == cells.settle([whole.nuclei()], whole.marker_counts)
    called, expected = calls(Nuclei.joined(parts)), calls(whole.nuclei())
    order = np.lexsort(called.points_xy[called.offsets[:-1]].T)
    assert len(expected) == 320
    for name in ("semantic", "centroid_xy", "box_xyxy"):
        np.testing.assert_allclose(getattr(called[order], name), getattr(expected, name))
    np.testing.assert_array_equal(called[order].points_xy, expected.points_xy)
    assert called[order].measures["marker"].tolist() == expected.measures["marker"].tolist()


def test_a_call_takes_maps_and_gives_the_cells_that_count() -> None:
    seg = seg_picture((240, 264), positive=20, negative=30, specks=25)
    cells = DeepLIIFCells()
    found = cells({"seg": as_map(seg), "other": as_map(seg)})
    assert counts(found.semantic) == (20, 30)
    assert set(np.unique(found.labels)) == {0, *found.ids.tolist()}
    assert (found.score == 1).all()
    assert len(cells.find_in(seg).instances) == 75


def test_a_grey_marker_map_makes_cells_positive() -> None:
    seg = seg_picture((120, 120), positive=4, negative=8)
    blue = seg[..., [2, 1, 0]]  # positive and negative exchanged
    marker = as_map(marker_picture(seg))[:1]
    found = DeepLIIFCells(marker_thresh=200)({"seg": as_map(blue), "marker": marker})
    assert counts(found.semantic) == (12, 0)
    with pytest.raises(ValueError, match="needs a marker picture"):
        DeepLIIFCells(marker_thresh=200)({"seg": as_map(blue)})
    with pytest.raises(ValueError, match="there is none"):
        DeepLIIFCells(marker_thresh="default")({"seg": as_map(blue)})


def test_optical_density_makes_cells_negative() -> None:
    seg = seg_picture((120, 120), positive=6, negative=6)
    original = np.full_like(seg, 255)
    original[:60] = 100
    cells = DeepLIIFCells(od_thresh_lower=100, size_thresh=0)
    found = cells.find_in(seg, original=original)
    upper = found.instances.box_xyxy[:, 3] <= 60
    density = round(300 * np.log10(255 / 100))
    assert set(found.measures["od"][upper].tolist()) == {density}
    called = cells.called(found, cells.settle([]))
    assert (called.semantic[~upper] == 2).all()
    np.testing.assert_array_equal(called.semantic[upper], found.instances.semantic[upper])
    lighter = DeepLIIFCells(od_thresh_upper=density - 1, size_thresh=0)
    called = lighter.called(found, lighter.settle([]))
    assert (called.semantic[upper] == 2).all()


def plain_cells(seg: Array, threshold: int, least: int) -> list[tuple[int, int, int, int, Array]]:
    """First pixel, size, votes and mask of each cell, one after the other."""
    red, green, blue = seg.astype(int).transpose(2, 0, 1)
    some = (red + blue > threshold) & (green <= 80)
    pieces, number = ndimage.label(~some)
    border = np.zeros(some.shape, bool)
    border[[0, -1], :] = border[:, [0, -1]] = True
    outside = np.isin(pieces, np.unique(pieces[border & ~some]))
    objects, number = ndimage.label(~outside, np.ones((3, 3)))
    found = []
    for one in range(1, number + 1):
        mask = objects == one
        if mask.sum() > least:
            votes = [int((mask & some & side).sum()) for side in (red >= blue, red < blue)]
            found.append((int(np.flatnonzero(mask)[0]), int(mask.sum()), *votes, mask))
    return sorted(found, key=lambda cell: cell[0])


@pytest.mark.parametrize("seed", range(6))
def test_noise_agrees_with_the_rules_followed_cell_by_cell(seed: int) -> None:
    random = np.random.default_rng(seed)
    seg = ndimage.gaussian_filter(random.normal(size=(90, 70, 3)), (1.5, 1.5, 0))
    seg = (seg * 400 + 60).clip(0, 255).astype(np.uint8)
    found = find_cells(seg, 120, 4)
    expected = plain_cells(seg, 120, 4)
    assert len(expected) > 10
    assert found.first.tolist() == [cell[0] for cell in expected]
    assert found.size.tolist() == [cell[1] for cell in expected]
    assert found.votes.tolist() == [list(cell[2:4]) for cell in expected]
    for number, cell in enumerate(expected, start=1):
        np.testing.assert_array_equal(found.labels == number, cell[4])
    described, house = found.instances(), instances_from_labels(found.labels)
    np.testing.assert_allclose(described.centroid_xy, house.centroid_xy, atol=1e-9)
    np.testing.assert_array_equal(described.box_xyxy, house.box_xyxy)
    for ours, theirs in zip(described.contour_xy, house.contour_xy, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    values = random.integers(0, 256, seg.shape[:2]).astype(np.uint8)
    assert found.most_in(values).tolist() == [values[cell[4]].max() for cell in expected]
    np.testing.assert_allclose(found.mean_in(values), [values[cell[4]].mean() for cell in expected])


def test_large_pieces_can_be_noise() -> None:
    seg = np.zeros((140, 140, 3), np.uint8)
    seg[2:130, 2:130, 0] = 200
    seg[134:138, 2:12, 2] = 200
    assert len(DeepLIIFCells().find_in(seg).instances) == 2
    assert len(DeepLIIFCells(large_noise_thresh="default").find_in(seg).instances) == 1
    assert len(DeepLIIFCells(large_noise_thresh=40).find_in(seg).instances) == 0


def test_size_threshold_between_its_limits() -> None:
    size = default_size_threshold
    assert size(np.array([100]), np.array([1]), "40x") == 0
    assert size(np.zeros(0, int), np.zeros(0, int), "40x") == 0
    one_mode = np.arange(90, 110)
    assert size(one_mode, np.ones(20, int), "40x") == 16, "no minimum: the lower limit"
    far = np.array([100, 900]), np.array([50, 50])
    assert size(*far, "40x") == 49, "above the limits: the fallback"
    sizes = np.sort(np.random.default_rng(0).integers(1, 10**6, 9000))
    many, number = np.unique(sizes, return_counts=True)
    twice = size(many, 2 * number, "40x")
    assert twice == size(many, number, "40x"), "a share of cells, in chunks"


def test_marker_threshold_is_numpys_percentile() -> None:
    random = np.random.default_rng(3)
    for most in (3, 40, 256):
        values = random.integers(0, most, 5000)
        low, high = (round(float(v)) for v in np.percentile(values[values > 0], [0.1, 99.9]))
        expected = round(0.9 * (high - low)) + low
        assert default_marker_threshold(np.bincount(values, minlength=256)) == expected
    assert default_marker_threshold(np.bincount([0, 0], minlength=256)) == 0
    assert default_marker_threshold(np.bincount([7], minlength=256)) == 7


def test_nothing_and_everything_are_pictures_too() -> None:
    cells = DeepLIIFCells()
    empty = cells({"seg": np.zeros((3, 8, 9), np.float32)})
    assert len(empty) == 0
    assert empty.labels.shape == (8, 9)
    full = cells({"seg": np.ones((3, 8, 9), np.float32) * [[[1]], [[0]], [[0]]]})
    assert full.contour_xy[0].tolist() == [[0, 0], [0, 7], [8, 7], [8, 0]]


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({}, "no map 'seg'"),
        ({"seg": np.zeros((1, 4, 4), np.float32)}, "expected"),
        ({"seg": np.full((3, 4, 4), np.nan, np.float32)}, "diverge"),
        (
            {"seg": np.zeros((3, 4, 4), np.float32), "marker": np.zeros((1, 4, 5), np.float32)},
            "equal sizes",
        ),
    ],
)
def test_maps_that_do_not_fit_are_refused(maps: dict[str, Array], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DeepLIIFCells()(maps)


@pytest.mark.parametrize(
    "setting",
    [
        {"resolution": "30x"},
        {"seg_thresh": 511},
        {"size_thresh": "auto"},
        {"marker_thresh": 3, "od_thresh_upper": 4},
    ],
)
def test_settings_that_mean_nothing_are_refused(setting: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected|one of them"):
        DeepLIIFCells(**setting)  # type: ignore[arg-type]


def test_maps_become_pictures_by_cutting_off() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    np.testing.assert_array_equal(as_uint8(as_map(values)), values)
    exact = np.moveaxis(values, -1, 0).astype(np.float32) / np.float32(255)
    cut = as_uint8(exact).astype(int) - values
    assert set(np.unique(cut)) <= {-1, 0}, "a value of a file may come back one lower"
    assert as_uint8(np.full((3, 1, 1), 1.5, np.float32)).max() == 255
