import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import ndimage

from histoseg.metrics.functional import overlap, panoptic_quality
from histoseg.ops.instances import instances_from_labels
from histoseg.postprocess import HoverWatershed
from histoseg.postprocess.hover import _components, _fill_holes, slope_range

CASES = (
    "dsb_52a6b8ae",
    "dsb_87ea7289",
    "dsb_af6b6173",
    "dsb_e414b54f",
    "nucls_train_1",
    "nucls_train_3",
)


def as_maps(foreground: np.ndarray, hv: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "np": foreground[None].astype(np.float32),
        "hv": np.ascontiguousarray(hv.transpose(2, 0, 1), dtype=np.float32),
    }


def ideal_maps(labels: np.ndarray) -> dict[str, np.ndarray]:
    """HV maps by a loop over nuclei, also where they touch the border."""
    hv = np.zeros((2, *labels.shape), dtype=np.float32)
    for number in np.unique(labels[labels > 0]):
        inside = np.nonzero(labels == number)
        for channel, position in enumerate((inside[1], inside[0])):
            offset = position - position.mean()
            hv[channel][inside] = offset / max(np.abs(offset).max(), 1)
    return {"np": (labels > 0)[None].astype(np.float32), "hv": hv}


def discs(centres: list[tuple[int, int]], radius: int, size: tuple[int, int]) -> np.ndarray:
    y, x = np.indices(size)
    labels = np.zeros(size, dtype=np.int32)
    for number, (cx, cy) in enumerate(centres, start=1):
        labels[((x - cx) ** 2 + (y - cy) ** 2 <= radius**2) & (labels == 0)] = number
    return labels


def check_against_dictionary(found: object, published: dict[str, dict]) -> None:
    assert found.ids.tolist() == [int(key) for key in published]
    for row, entry in enumerate(published.values()):
        left, top, right, bottom = found.box_xyxy[row].tolist()
        assert entry["bbox"] == [[top, left], [bottom, right]]
        assert entry["centroid"] == found.centroid_xy[row].tolist()
        assert entry["contour"] == found.contour_xy[row].tolist()
        if entry["type"] is not None:
            assert entry["type"] == found.semantic[row]
            assert np.float32(entry["type_prob"]) == found.score[row]


@pytest.mark.parametrize("name", ["post_a", "post_empty"])
def test_typed_golden_prediction_pixel_by_pixel(shared_golden: Path, name: str) -> None:
    stored = np.load(shared_golden / "hovernet" / f"{name}.npz")
    published = json.loads((shared_golden / "hovernet" / f"{name}.json").read_text())
    maps = as_maps(stored["pred"][..., 1], stored["pred"][..., 2:])
    classes = stored["pred"][..., 0].astype(int)
    maps["tp"] = np.eye(6, dtype=np.float32)[classes].transpose(2, 0, 1)
    found = HoverWatershed()(maps)
    assert np.array_equal(found.labels, stored["inst"])
    check_against_dictionary(found, published)


@pytest.mark.parametrize("name", CASES)
def test_ideal_maps_of_real_tiles_pixel_by_pixel(shared_data: Path, name: str) -> None:
    stored = np.load(shared_data / "golden_hovernet_public" / f"{name}.npz")
    found = HoverWatershed()(as_maps(stored["np_full"], stored["hv_full"]))
    assert np.array_equal(found.labels, stored["postproc"])


@pytest.mark.parametrize("name", ["dsb_87ea7289", "nucls_train_3"])
def test_noisy_maps_of_real_tiles_pixel_by_pixel(shared_data: Path, name: str) -> None:
    folder = shared_data / "golden_hovernet_public"
    stored = np.load(folder / f"{name}.npz")
    found = HoverWatershed()(as_maps(stored["noisy_np"], stored["noisy_hv"]))
    noisy = np.load(folder / f"{name}_postproc_noisy.npz")["inst"]
    published = json.loads((folder / f"{name}_info.json").read_text())
    assert np.array_equal(found.labels, noisy)
    check_against_dictionary(instances_from_labels(noisy), published)


def test_fixed_scale_loses_nothing_on_real_tiles(shared_data: Path) -> None:
    scores = {"tile": [], "fixed": []}
    for name in CASES:
        stored = np.load(shared_data / "golden_hovernet_public" / f"{name}.npz")
        true = stored["true"][:256, :256]
        for scale, values in scores.items():
            found = HoverWatershed(normalise=scale)(as_maps(stored["np_full"], stored["hv_full"]))
            values.append(float(panoptic_quality(overlap(true, found.labels)).pq))
    fixed, tile = np.array(scores["fixed"]), np.array(scores["tile"])
    assert (fixed > tile - 0.01).all()
    assert fixed.mean() > tile.mean() + 0.05


@pytest.mark.parametrize("normalise", ["tile", "fixed"])
def test_touching_discs_are_separated(normalise: str) -> None:
    labels = discs([(30, 40), (51, 40), (40, 60), (90, 20)], 11, (100, 120))
    found = HoverWatershed(normalise=normalise)(ideal_maps(labels))
    assert len(found) == 4
    assert float(panoptic_quality(overlap(labels, found.labels), 0.9).dq) == 1.0


@pytest.mark.parametrize("normalise", ["tile", "fixed"])
def test_nuclei_at_every_border_are_found(normalise: str) -> None:
    labels = discs(
        [(0, 40), (99, 40), (40, 0), (40, 99), (0, 0), (99, 99), (60, 60)], 11, (100, 100)
    )
    found = HoverWatershed(normalise=normalise)(ideal_maps(labels))
    assert float(panoptic_quality(overlap(labels, found.labels), 0.9).dq) == 1.0


def test_a_region_without_background_keeps_its_first_nucleus() -> None:
    columns = np.repeat(np.arange(4), 20)[None].repeat(60, axis=0) + 1
    found = HoverWatershed()(ideal_maps(columns.astype(np.int32)))
    assert (found.labels > 0).all()
    assert len(found) == 4


def test_fixed_scale_does_not_depend_on_what_else_is_in_the_region() -> None:
    hover = HoverWatershed(normalise="fixed")
    rng = np.random.default_rng(3)
    labels = discs([tuple(p) for p in rng.integers(0, 200, (60, 2)).tolist()], 9, (200, 200))
    maps = ideal_maps(labels)
    maps["hv"] += rng.normal(0, 0.05, maps["hv"].shape).astype(np.float32)
    whole = hover(maps).labels
    part = hover({name: m[:, 40:170, 30:180] for name, m in maps.items()}).labels
    # Components cut by the part's edge may change, and the kernel sees 10 pixels of mirror there.
    blobs = ndimage.label(labels > 0)[0]
    cut = np.pad(np.zeros((106, 126), dtype=bool), 12, constant_values=True)
    inner = ~np.isin(blobs[40:170, 30:180], blobs[40:170, 30:180][cut])
    one, other = whole[40:170, 30:180] * inner, part * inner
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    assert len(np.unique(one)) == len(np.unique(other)) == pairs.shape[1] > 5


def test_no_nuclei_give_no_rows() -> None:
    nothing = {
        "np": np.zeros((1, 30, 20), dtype=np.float32),
        "hv": np.zeros((2, 30, 20), dtype=np.float32),
        "tp": np.zeros((4, 30, 20), dtype=np.float32),
    }
    for normalise in ("tile", "fixed"):
        found = HoverWatershed(normalise=normalise)(nothing)
        assert len(found) == 0
        assert found.labels.shape == (30, 20)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (9, 300)])
def test_any_size_of_region_will_do(size: tuple[int, int]) -> None:
    maps = ideal_maps(np.ones(size, dtype=np.int32))
    settings = {"min_size": 1, "min_marker": 1, "opening": 1, "edge_threshold": 1.0}
    for normalise in ("tile", "fixed"):
        found = HoverWatershed(normalise=normalise, **settings)(maps)
        assert found.labels.shape == size
        assert len(np.unique(found.labels[found.labels > 0])) == len(found)


def test_one_pixel_nuclei_have_rows_when_asked_for() -> None:
    maps = ideal_maps(np.diag([1, 0, 0, 2, 0, 0, 3]).astype(np.int32))
    settings = {"min_size": 1, "min_marker": 1, "opening": 1, "edge_threshold": 1.0, "sobel": 3}
    found = HoverWatershed(normalise="fixed", **settings)(maps)
    assert found.centroid_xy.tolist() == [[0, 0], [3, 3], [6, 6]]
    assert [len(outline) for outline in found.contour_xy] == [1, 1, 1]
    assert len(HoverWatershed()(maps)) == 0


def test_the_pixels_of_a_nucleus_vote_for_its_class() -> None:
    labels = discs([(20, 20), (60, 20)], 10, (40, 80))
    maps = ideal_maps(labels)
    kinds = np.where(labels == 1, 2, np.where(labels == 2, 1, 0))
    kinds[:20, :40][labels[:20, :40] == 1] = 0
    maps["tp"] = np.eye(3, dtype=np.float32)[kinds].transpose(2, 0, 1)
    found = HoverWatershed()(maps)
    assert found.semantic.tolist() == [2, 1]
    assert found.score[1] == pytest.approx(1.0)
    assert found.score[0] == pytest.approx(np.mean(kinds[labels == 1] == 2), abs=1e-6)


@pytest.mark.parametrize("name", ["np", "hv", "tp"])
def test_nan_is_refused(name: str) -> None:
    maps = ideal_maps(discs([(20, 20)], 8, (40, 40)))
    maps["tp"] = np.zeros((3, 40, 40), dtype=np.float32)
    maps[name] = maps[name].copy()
    maps[name][0, 5, 5] = np.nan
    with pytest.raises(ValueError, match=f"map {name} has NaN"):
        HoverWatershed()(maps)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hv": np.zeros((1, 8, 8), dtype=np.float32)}, r"\(2, H, W\)"),
        ({"hv": np.zeros((2, 8, 9), dtype=np.float32)}, "map np"),
        ({"tp": np.zeros((3, 4, 8), dtype=np.float32)}, "map np"),
        ({"np": np.zeros((8, 8), dtype=np.float32)}, r"\(1, H, W\)"),
        ({"np": np.zeros((1, 0, 8), dtype=np.float32)}, r"\(1, H, W\)"),
    ],
)
def test_misshapen_maps_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    maps = ideal_maps(np.zeros((8, 8), dtype=np.int32)) | change
    with pytest.raises(ValueError, match=message):
        HoverWatershed()(maps)


def test_a_missing_map_is_named() -> None:
    with pytest.raises(ValueError, match="no map 'hv'"):
        HoverWatershed()({"np": np.zeros((1, 8, 8), dtype=np.float32)})


@pytest.mark.parametrize(
    "settings",
    [
        {"sobel": 20},
        {"sobel": 33},
        {"opening": 0},
        {"edge_threshold": 1.5},
        {"foreground_threshold": -0.1},
        {"normalise": "slide"},
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        HoverWatershed(**settings)


@pytest.mark.parametrize("aperture", [3, 11, 21])
def test_slope_range_bounds_ideal_maps(aperture: int) -> None:
    fall, rise = slope_range(aperture)
    unit = 2.0 ** (3 - 2 * aperture)
    seen = []
    for width in range(2, 50):
        columns = np.pad(np.tile(np.linspace(-1, 1, width, dtype=np.float32), 2), 60)
        ramps = np.repeat(columns[None], 80, axis=0)
        slope = cv2.Sobel(ramps, cv2.CV_64F, 1, 0, ksize=aperture) * unit
        seen.append((slope.min(), slope.max()))
    assert fall <= np.min(seen) < 0.6 * fall
    assert 0.8 * rise < np.max(seen) <= rise * 1.001


@pytest.mark.parametrize("threads", [1, 4])
def test_components_are_numbered_as_scipy_numbers_them(threads: int) -> None:
    mask = np.random.default_rng(0).random((700, 300)) < 0.6
    expected = ndimage.label(mask)[0]
    expected[(np.bincount(expected.ravel()) < 7)[expected]] = 0
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(threads)
        assert np.array_equal(_components(mask, 7), expected)
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize("density", [0.3, 0.6, 0.9])
def test_holes_are_filled_as_scipy_fills_them(density: float) -> None:
    mask = np.random.default_rng(1).random((60, 50)) < density
    assert np.array_equal(_fill_holes(mask), ndimage.binary_fill_holes(mask))
