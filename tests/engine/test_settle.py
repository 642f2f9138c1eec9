"""Thresholds that come from all nuclei of a slide: the same as of the picture as a whole."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from engine.test_slide_run import Keep, blots, found, write_slide
from fakes.components import AboveMean, components
from fakes.models import Blots
from histoseg.contracts import Array, Nuclei, Prediction
from histoseg.engine.predict_image import predict_image
from histoseg.slides import read_image

SIZE = (300, 400)
CLASSES = {"classes": ("small", "large"), "postprocess": AboveMean()}


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slide(tmp_path_factory.mktemp("slide") / "blots.tif", blots(*SIZE, 40))


def rows(nuclei: Nuclei) -> list[Any]:
    columns = (nuclei.box_xyxy.tolist(), nuclei.semantic.tolist(), nuclei.measures["size"].tolist())
    return sorted(zip(*columns, strict=True))


@pytest.mark.parametrize("given", [{"region": 4096}, {"region": 100}, {"region": 64, "workers": 2}])
def test_a_slide_gives_what_the_picture_gives(
    slide: Path, tmp_path: Path, given: dict[str, Any]
) -> None:
    module = Blots(**CLASSES).eval()
    cfg = OmegaConf.create(
        {"precision": "32-true", "overlap": None, "batch_size": 8, "mpp": 0.25,
         "save_maps": False, "stains": True, "tiling": "blended"}
    )  # fmt: skip
    whole = predict_image(module, read_image(slide), "blots", cfg)
    (nuclei,) = whole.parts()
    kept = found(slide, tmp_path, halo=250, module=module, **given)
    assert rows(kept.nuclei) == rows(nuclei)
    assert {"size", "DAB OD mean"} <= set(kept.nuclei.measures) == set(nuclei.measures)
    check_thresholds(whole, nuclei, components(forward(module, slide)))
    check_labels(kept)


def forward(module: Blots, slide: Path) -> dict[str, Array]:
    image = torch.from_numpy(read_image(slide)).permute(2, 0, 1)[None].float() / 255
    return {"np": module.infer(image)["np"][0].numpy()}


def check_thresholds(whole: Prediction, nuclei: Nuclei, every: Any) -> None:
    sizes = np.bincount(every.labels.ravel())[1:]
    assert nuclei.measures["size"].min() > sizes.mean()
    assert len(nuclei) == (sizes > sizes.mean()).sum() < len(sizes)
    share = (every.labels > 0).mean()
    np.testing.assert_array_equal(nuclei.semantic, 1 + (nuclei.measures["size"] > 4000 * share))
    assert set(nuclei.semantic) == {1, 2}
    assert set(np.unique(whole.instances.labels)) == {0, *nuclei.ids}


def check_labels(kept: Keep) -> None:
    counts = np.bincount(kept.labels.ravel(), minlength=len(kept.nuclei) + 1)[1:]
    np.testing.assert_array_equal(counts, kept.nuclei.measures["size"])
    assert kept.nuclei.ids.tolist() == list(range(1, len(kept.nuclei) + 1))
