"""A pipeline on slides: nuclei are those of the translated slide, however the work is cut."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
import torch

from fakes.models import Blots
from fakes.translators import Swapped
from histoseg.contracts import Array
from histoseg.engine.slides.forward import Forward
from histoseg.engine.slides.settings import Settings
from histoseg.engine.slides.slide_run import SlideRun
from histoseg.modules import Ensemble, Pipeline
from histoseg.modules.base import Module
from histoseg.slides import SlideEntry
from histoseg.writers import write_geojson, write_stains

SIZE = (310, 420)
PER_CM = 1e4 / 0.25


@pytest.fixture(scope="module")
def image() -> Array:
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 3) * 2)


def write(path: Path, image: Array) -> Path:
    tifffile.imwrite(
        path, image, photometric="rgb", tile=(128, 128), resolution=(PER_CM, PER_CM),
        resolutionunit="CENTIMETER",
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def slide(image: Array, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("slide") / "a.tif", image)


def piped(translate: Module, picture: int = 128) -> Pipeline:
    pipeline = Pipeline(
        translate, Blots(), classes=(), colours=(), mpp=0.25, metrics={}, stain="swapped",
        picture=picture, border=8,
    )  # fmt: skip
    pipeline.keep = True
    return pipeline


def settings(output: Path, module: Module, **given: Any) -> Settings:
    own: dict[str, Any] = {
        "writers": {"geojson": write_geojson, "stains": write_stains}, "model_mpp": 0.25,
        "mpp": None, "region": 100, "halo": 200, "overlap": 0, "cache": 2**30, "workers": 0,
        "tissue": "none", "stains": False, "save_mask": False, "save_thumb": False, "stamp": "x",
    }  # fmt: skip
    return Settings(output, Forward(module.eval(), 1), **(own | given))


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "geojson" / "a.geojson").read_bytes()).hexdigest()


@pytest.mark.parametrize(("picture", "given"), [(128, {}), (200, {"region": 4096})])
def test_nuclei_are_those_of_the_translated_slide(
    slide: Path, image: Array, tmp_path: Path, picture: int, given: dict[str, Any]
) -> None:
    swapped = write(tmp_path / "a.tif", np.ascontiguousarray(image[..., ::-1]))
    row = SlideRun(SlideEntry(swapped, "a"), settings(tmp_path / "two", Blots(), **given)).run()
    assert row["nuclei"] > 50
    pipeline = piped(Ensemble([Swapped(margin=0), Swapped(margin=0)]), picture)
    found = SlideRun(SlideEntry(slide, "a"), settings(tmp_path / "one", pipeline, **given)).run()
    assert (found["state"], found["nuclei"]) == ("done", row["nuclei"])
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    (made,) = (tmp_path / "one" / "stains").iterdir()
    np.testing.assert_array_equal(tifffile.imread(made), image[..., ::-1])


def test_ranks_share_the_work(slide: Path, tmp_path: Path) -> None:
    entry, pipeline = SlideEntry(slide, "a"), piped(Swapped(norm=True, margin=0), 200)
    SlideRun(entry, settings(tmp_path / "whole", pipeline)).run()
    own = settings(tmp_path / "shared", pipeline)
    rows = [SlideRun(entry, replace(own, rank=rank, ranks=2)).run() for rank in (1, 0)]
    assert [row["state"] for row in rows] == ["partial", "done"]
    assert digest(tmp_path / "shared") == digest(tmp_path / "whole")


class Asking(Swapped):
    """Wants to see a sample of the slide, and says how bright it was."""

    sample_tile = 32
    brightness = -1.0

    def share(self, sample: torch.Tensor) -> None:
        self.brightness = float(sample.mean())
        self.shape = tuple(sample.shape)


def test_a_sample_of_the_tissue_is_shown_before_the_first_tile(
    slide: Path, image: Array, tmp_path: Path
) -> None:
    asking = Asking(margin=0)
    mask = np.zeros((31, 42), np.uint8)
    mask[4:24, 20:40] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    tissue = {"tissue": str(tmp_path / "mask.png")}
    SlideRun(SlideEntry(slide, "a"), settings(tmp_path, piped(asking), **tissue)).run()
    assert asking.shape[0] > 20
    assert asking.shape[1:] == (3, 32, 32)
    assert abs(asking.brightness - image[:, 180:].mean() / 255) < 0.02
    seen = asking.brightness
    other = replace(settings(tmp_path / "b", piped(asking), **tissue), rank=0, ranks=2)
    SlideRun(SlideEntry(slide, "a"), other).run()
    assert asking.brightness == seen, "every rank sees the same sample"
