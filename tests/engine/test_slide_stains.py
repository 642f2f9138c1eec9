"""Models that normalise stains, on slides: one change for the whole slide."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from engine.test_slide_kinds import digests, settings, written
from fakes.translators import Swapped
from histoseg.contracts import Array
from histoseg.data.stain_normaliser import StainNormaliser
from histoseg.data.synthetic import synthetic_tissue
from histoseg.engine.slides.slide_run import SlideRun
from histoseg.errors import SlideError
from histoseg.slides import SlideEntry

STATISTICS = {"mean": [60, 20, -15], "std": [9, 6, 5]}
PER_CM = 1e4 / 0.25


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = synthetic_tissue(260, 300, seed=2)["image"]
    path = tmp_path_factory.mktemp("slide") / "a.tif"
    tifffile.imwrite(
        path, image, photometric="rgb", tile=(128, 128), resolution=(PER_CM, PER_CM),
        resolutionunit="CENTIMETER",
    )  # fmt: skip
    return path


def test_tiles_get_the_stains_of_the_target(slide: Path, tmp_path: Path) -> None:
    look = StainNormaliser("reinhard", statistics=STATISTICS)
    one = written(slide, tmp_path / "one", Swapped(normalise=look), region=4096)["a_swapped"]
    written(slide, tmp_path / "many", Swapped(normalise=look), region=64, workers=2)
    assert digests(tmp_path / "one") == digests(tmp_path / "many")
    image: Array = tifffile.imread(slide)
    whole = look(image).astype(int)
    difference = np.abs(one[..., ::-1] - whole)
    assert np.abs(whole - image).mean() > 10 > 4 > difference.mean()


def test_what_needs_whole_images_is_refused(slide: Path, tmp_path: Path) -> None:
    own = settings(tmp_path, Swapped(normalise=np.flip))
    with pytest.raises(SlideError, match="normalises whole images alone"):
        SlideRun(SlideEntry(slide, "a"), own).run()
