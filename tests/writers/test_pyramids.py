"""Label maps and translated slides on disk: every pixel is there, at every level."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from scipy import ndimage

from histoseg.contracts import LabelPart, Nuclei, Prediction, SlidePrediction, StainPart
from histoseg.ops.instances import instances_from_labels
from histoseg.writers import (
    write_class_tiff,
    write_label_tiff,
    write_ome_zarr,
    write_pyramid_tiff,
    write_stains,
)
from writers.drawn import CLASSES, COLOURS

SIZE = (1101, 1303)  # no multiple of a tile


@pytest.fixture(scope="module")
def whole() -> Prediction:
    noise = ndimage.gaussian_filter(np.random.default_rng(0).random(SIZE), 8)
    noise[512:1024, 512:1024] = 0  # a tile without nuclei
    labels, _ = ndimage.label(noise > 0.515)
    found = instances_from_labels(labels, labels % 3)
    return Prediction("a.1", np.zeros((*SIZE, 3), np.uint8), found, CLASSES, COLOURS, 0.5)


def slide_of(whole: Prediction) -> SlidePrediction:
    """In regions of 600 px that overlap by 100, each with the nuclei whose number it owns."""
    labels, nuclei = whole.instances.labels, Nuclei.of(whole.instances)
    corners = [(x, y) for y in range(0, SIZE[0], 500) for x in range(0, SIZE[1], 500)]
    own = {c: (nuclei.centroid_xy // 500 * 500 == c).all(axis=1) for c in corners}
    reach = 300  # px: the longest nucleus lies within

    def label_parts() -> Iterator[LabelPart]:
        for x, y in corners:
            left, top = max(x - reach, 0), max(y - reach, 0)
            crop = labels[top : y + 500 + reach, left : x + 500 + reach]
            yield LabelPart(left, top, np.where(np.isin(crop, nuclei.ids[own[x, y]]), crop, 0))

    return SlidePrediction(
        "a.1",
        SIZE,
        lambda: (nuclei[own[c]] for c in corners),
        label_parts,
        classes=CLASSES,
        colours=COLOURS,
        mpp=0.5,
    )


def levels_of(path: Path) -> list[np.ndarray]:
    with tifffile.TiffFile(path) as tif:
        assert tif.is_ome
        assert tif.is_bigtiff
        assert all(page.is_tiled for page in tif.series[0].levels[0].pages)
        return [level.asarray() for level in tif.series[0].levels]


@pytest.mark.parametrize("compression", ["deflate", "zstd"])
def test_the_label_tiff_has_every_id_at_every_level(
    tmp_path: Path, whole: Prediction, compression: str
) -> None:
    path = write_label_tiff(tmp_path, slide_of(whole), compression=compression)  # type: ignore[arg-type]
    assert path == tmp_path / "labels" / "a.1.ome.tif"
    levels = levels_of(path)
    assert len(levels) == 3
    for number, level in enumerate(levels):
        step = 2**number
        assert level.dtype == np.int32
        np.testing.assert_array_equal(level, whole.instances.labels[::step, ::step])
    with tifffile.TiffFile(path) as tif:
        assert 'PhysicalSizeX="0.5"' in tif.ome_metadata
        assert 'PhysicalSizeXUnit="µm"' in tif.ome_metadata
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


def test_the_class_tiff(tmp_path: Path, whole: Prediction) -> None:
    (level, *_) = levels_of(write_class_tiff(tmp_path, slide_of(whole)))
    assert level.dtype == np.uint8
    np.testing.assert_array_equal(level, whole.instances.semantic_map())


def test_the_same_result_is_the_same_tiff(tmp_path: Path, whole: Prediction) -> None:
    first, second = (write_label_tiff(tmp_path / f, slide_of(whole)).read_bytes() for f in "ab")
    assert first == second == write_label_tiff(tmp_path / "c", whole).read_bytes()


def test_ome_zarr_has_labels_that_napari_reads(tmp_path: Path, whole: Prediction) -> None:
    for _ in range(2):  # the second replaces the first
        path = write_ome_zarr(tmp_path, slide_of(whole))
    assert path == tmp_path / "zarr" / "a.1.ome.zarr"
    group = zarr.open_group(path, mode="r")
    assert group.metadata.zarr_format == 2
    assert group["labels"].attrs["labels"] == ["nuclei", "classes"]
    maps = {"nuclei": whole.instances.labels, "classes": whole.instances.semantic_map()}
    for name, expected in maps.items():
        label = group[f"labels/{name}"]
        (scales,) = label.attrs["multiscales"]
        assert [axis["name"] for axis in scales["axes"]] == ["y", "x"]
        for number, data in enumerate(scales["datasets"]):
            (transformation,) = data["coordinateTransformations"]
            assert transformation["scale"] == [0.5 * 2**number] * 2
            step = 2**number
            np.testing.assert_array_equal(label[data["path"]][:], expected[::step, ::step])
    colours = group["labels/classes"].attrs["image-label"]["colors"]
    assert colours == [
        {"label-value": k, "rgba": [*c, 255]} for k, c in enumerate(COLOURS, start=1)
    ]
    assert not (path / "labels" / "nuclei" / "0" / "1" / "1").exists()  # the tile without nuclei
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("background", [(201, 211, 208), None])
def test_a_translated_slide(tmp_path: Path, background: tuple[int, int, int] | None) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (700, 901, 3), dtype=np.uint8)

    def parts() -> Iterator[StainPart]:
        yield StainPart(0, 300, rgb[300:])
        yield StainPart(0, 0, rgb[:300])

    slide = SlidePrediction(
        "b", (700, 2000), lambda: iter(()), mpp=0.25, kinds=frozenset({"stains"}),
        stain_parts={"dapi": parts, "lap2": lambda: iter(())},
        backgrounds={"dapi": background} if background else {},
    )  # fmt: skip
    dapi, lap2 = write_stains(tmp_path, slide)
    assert [p.name for p in (dapi, lap2)] == ["b_dapi.ome.tif", "b_lap2.ome.tif"]
    full, half, quarter = levels_of(dapi)
    np.testing.assert_array_equal(full[:, :901], rgb)
    fill = background or (255, 255, 255)
    for level, left in ((full, 901), (half, 451), (quarter, 226)):
        assert (level[:, left:] == fill).all()
    means = full.reshape(350, 2, 1000, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(half, means, atol=0.5)
    assert (tifffile.imread(lap2) == 255).all()


def test_parts_over_the_edge_are_cut(tmp_path: Path) -> None:
    block = np.arange(1, 401, dtype=np.int32).reshape(20, 20)
    parts = [(-5, -5, block), (25, 35, block), (100, 0, block), (0, 40, block)]
    path = write_pyramid_tiff(tmp_path / "x.tif", (40, 30), parts, dtype=np.int32, name="x")
    expected = np.zeros((40, 30), np.int32)
    expected[:15, :15], expected[35:, 25:] = block[5:, 5:], block[:5, :5]
    np.testing.assert_array_equal(tifffile.imread(path), expected)


def test_a_failure_leaves_nothing(tmp_path: Path, whole: Prediction) -> None:
    def broken() -> Iterator[LabelPart]:
        yield from list(slide_of(whole).label_parts())[:2]
        raise RuntimeError("half way")

    slide = SlidePrediction("a", SIZE, slide_of(whole).parts, broken)
    for write in (write_label_tiff, write_ome_zarr):
        with pytest.raises(RuntimeError, match="half way"):
            write(tmp_path, slide)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    with pytest.raises(ValueError, match="expected deflate or zstd"):
        write_label_tiff(tmp_path, whole, compression="lzw")  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux alone")
def test_memory_does_not_grow_with_the_picture(tmp_path: Path) -> None:
    import resource

    def parts() -> Iterator[tuple[int, int, np.ndarray]]:
        for k in range(12):
            yield 2500 * k, 2500 * k, np.full((64, 64), k + 1, np.int32)

    write_pyramid_tiff(tmp_path / "a.tif", (600, 600), [], dtype=np.int32, name="a")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path = write_pyramid_tiff(
        tmp_path / "x.tif", (30_000, 30_000), parts(), dtype=np.int32, name="x"
    )
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 * 1024  # the picture is 3.4 GiB
    with tifffile.TiffFile(path) as tif:
        assert tif.series[0].levels[-1].asarray().max() == 12
