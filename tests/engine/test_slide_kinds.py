"""Models that give pictures or classes of pixels, on slides: what is written does not depend on
how the work was cut."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
import torch

from fakes.models import MARGIN, Blots
from fakes.translators import GRAY, Darkness, Swapped
from histoseg.contracts import Array
from histoseg.engine.slides.decode import decode
from histoseg.engine.slides.forward import Forward
from histoseg.engine.slides.settings import Settings
from histoseg.engine.slides.slide_run import SlideRun
from histoseg.modules.base import Module
from histoseg.slides import SlideEntry
from histoseg.writers import write_geojson, write_semantic_tiff, write_stains

SIZE = (310, 420)
PER_CM = 1e4 / 0.25
WRITERS = {"stains": write_stains, "semantic": write_semantic_tiff, "geojson": write_geojson}


@pytest.fixture(scope="module")
def image() -> Array:
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 3) * 2)


@pytest.fixture(scope="module")
def slide(image: Array, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slide") / "a.tif"
    tifffile.imwrite(
        path, image, photometric="rgb", tile=(128, 128), resolution=(PER_CM, PER_CM),
        resolutionunit="CENTIMETER",
    )  # fmt: skip
    return path


def settings(output: Path, module: Module, **given: Any) -> Settings:
    own: dict[str, Any] = {
        "writers": WRITERS, "model_mpp": 0.25, "mpp": None, "region": 100, "halo": 0,
        "overlap": 0, "cache": 2**30, "workers": 0, "tissue": "none", "stains": True,
        "save_mask": False, "save_thumb": False, "stamp": type(module).__name__,
    }  # fmt: skip
    return Settings(output, Forward(module.eval(), given.pop("batch_size", 8)), **(own | given))


def written(slide: Path, output: Path, module: Module, **given: Any) -> dict[str, Array]:
    row = SlideRun(SlideEntry(slide, "a"), settings(output, module, **given)).run()
    assert row["state"] == "done"
    return {p.name.split(".")[0]: tifffile.imread(p) for p in output.rglob("*.tif")}


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.tif")}


def softened(image: Array) -> Array:
    """What `Darkness` sees, of the whole image, mirrored at its border."""
    red = image[..., 0].astype(np.float32) / 255
    return np.asarray(cv2.blur(red, (9, 9), borderType=cv2.BORDER_REFLECT_101))


CUTS = [
    {"region": 4096},
    {"region": 64, "batch_size": 3},
    {"region": 150, "cache": 0},
    {"region": 100, "workers": 2, "batch_size": 5},
]


@pytest.mark.parametrize("overlap", [0, 12])
@pytest.mark.parametrize("given", CUTS, ids=str)
def test_a_translated_slide_is_the_translated_image(
    slide: Path, image: Array, tmp_path: Path, overlap: int, given: dict[str, Any]
) -> None:
    got = written(slide, tmp_path, Swapped(), overlap=overlap, **given)
    assert set(got) == {"a_swapped", "a_dark"}, "a model without objects writes no nuclei"
    np.testing.assert_array_equal(got["a_swapped"], image[..., ::-1])
    at_once = as_one_tile(image)
    np.testing.assert_array_equal(got["a_swapped"], at_once["swapped"])
    difference = np.abs(got["a_dark"].astype(int) - at_once["dark"])
    assert difference.max() <= (1 if overlap else 0), "a blend may round the other way"
    assert (difference > 0).mean() < 1e-3


def as_one_tile(image: Array) -> Mapping[str, Array]:
    """The whole image, mirrored at its border, as one tile."""
    module = Swapped()
    padded = np.pad(image, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="reflect")
    tensor = torch.from_numpy(padded).permute(2, 0, 1)[None].float().div(255)
    maps = module.maps(module({"image": tensor}))
    return module.decoder({name: m[0].numpy() for name, m in maps.items()}).stains


@pytest.mark.parametrize("given", CUTS[1:], ids=str)
@pytest.mark.parametrize("overlap", [0, 12])
def test_the_files_are_the_same_to_the_bit_however_the_work_is_cut(
    slide: Path, tmp_path: Path, overlap: int, given: dict[str, Any]
) -> None:
    """Also where a pixel depends on all of its tile."""
    for name, cut in (("one", CUTS[0]), ("many", given)):
        written(slide, tmp_path / name, Swapped(norm=True), overlap=overlap, **cut)
    one, many = digests(tmp_path / "one"), digests(tmp_path / "many")
    assert one == many
    assert len(one) == 2


def test_blending_softens_the_seams_of_normalised_tiles(slide: Path, tmp_path: Path) -> None:
    hard = written(slide, tmp_path / "hard", Swapped(norm=True))["a_dark"]
    soft = written(slide, tmp_path / "soft", Swapped(norm=True), overlap=16)["a_dark"]
    assert seam(hard, 32) > 3 * seam(soft, 16)


def seam(picture: Array, step: int) -> float:
    """How much larger differences across the borders of tiles are than others, gray levels."""
    across = np.abs(np.diff(picture[..., 0].astype(float), axis=1)).mean(axis=0)
    borders = np.arange(step, len(across), step) - 1
    return float(across[borders].mean() - np.delete(across, borders).mean())


@pytest.mark.parametrize("given", CUTS, ids=str)
def test_classes_of_pixels(
    slide: Path, image: Array, tmp_path: Path, given: dict[str, Any]
) -> None:
    got = written(slide, tmp_path, Darkness(), **given)
    assert set(got) == {"a"}
    distance = np.abs(softened(image)[..., None] - np.array([0.95, 0.4, 0.7], np.float32))
    clear = np.diff(np.sort(distance, axis=-1)[..., :2])[..., 0] > 1e-4
    np.testing.assert_array_equal(got["a"][clear], distance.argmin(axis=-1)[clear])
    assert clear.mean() > 0.99
    assert set(np.unique(got["a"])) == {0, 1, 2}


def test_where_no_tile_ran_pictures_show_the_background(
    slide: Path, image: Array, tmp_path: Path
) -> None:
    mask = np.zeros((31, 42), np.uint8)
    mask[5:9, 5:9] = mask[20:24, 30:34] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    got = written(slide, tmp_path / "out", Swapped(), tissue=str(tmp_path / "mask.png"), region=100)
    seen = np.zeros(SIZE, bool)
    for top, left in ((32, 32), (64, 32), (32, 64), (64, 64)):
        seen[top : top + 32, left : left + 32] = True
    seen[192:256, 288:352] = True
    np.testing.assert_array_equal(got["a_swapped"][seen], image[..., ::-1][seen])
    assert (got["a_swapped"][~seen] == GRAY).all(), "inside of regions and outside of them"
    assert (got["a_dark"][~seen] == 255).all()
    empty = written(
        slide, tmp_path / "classes", Darkness(), tissue=str(tmp_path / "mask.png"), region=100
    )
    assert not empty["a"][~seen].any()
    assert empty["a"][seen].any()


@pytest.mark.parametrize("module", [Swapped(norm=True), Darkness()], ids=["stains", "semantic"])
def test_what_is_done_is_kept_and_ranks_share_the_work(
    slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Module
) -> None:
    written(slide, tmp_path / "whole", module, overlap=12)
    entry, done = SlideEntry(slide, "a"), []

    def failing(task: Any) -> Any:
        if len(done) == 3:
            raise OSError(28, "No space left on device", "part")
        done.append(task.region.number)
        return decode(task)

    own = settings(tmp_path / "cut", module, overlap=12)
    with monkeypatch.context() as patch:
        patch.setattr("histoseg.engine.slides.stream.decode", failing)
        with pytest.raises(OSError, match="No space"):
            SlideRun(entry, own).run()
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "cut" / ".parts" / "a").glob("*.npz")}
    assert len(kept) == 3
    rows = [SlideRun(entry, replace(own, rank=rank, ranks=2)).run() for rank in (1, 0)]
    assert [row["state"] for row in rows] == ["partial", "done"]
    assert digests(tmp_path / "cut") == digests(tmp_path / "whole") != {}
    assert not list((tmp_path / "cut").rglob("*.npz"))


def test_writers_without_anything_to_write_are_left_out(slide: Path, tmp_path: Path) -> None:
    SlideRun(SlideEntry(slide, "a"), settings(tmp_path, Blots(), halo=100)).run()
    files = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()]
    assert sorted(files) == [".parts/a.json", "geojson/a.geojson"]
