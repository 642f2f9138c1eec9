"""The groups of metrics for models that translate stains, built as a model's own YAML would."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torchmetrics import MetricCollection

from conftest import Compose
from histoseg.metrics import Lpips, StainScores

OURS = ("translation", "perceptual", "distribution")


@pytest.fixture
def metrics(composed: Compose) -> Callable[..., DictConfig]:
    def build(*overrides: str) -> DictConfig:
        stains = "+model.outputs=[he,ihc]"
        return composed(
            "train", "model=hovernet", "data=synthetic", stains, *overrides
        ).model.metrics

    return build


def test_paired_scores_are_built_with_the_stains_of_the_model(
    metrics: Callable[..., DictConfig],
) -> None:
    cfg = metrics("model/metrics=translation")
    assert list(cfg) == ["stains"]
    collection = MetricCollection(dict(instantiate(cfg)), prefix="val/")
    found = collection["stains"]
    assert isinstance(found, StainScores)
    assert found.stains == ("he", "ihc")
    images = {name: torch.rand(1, 3, 16, 16) for name in found.stains}
    collection.update(stains=images, pred_stains=images)
    assert collection.compute()["val/ssim/ihc"] == 1


def test_groups_can_be_put_together(metrics: Callable[..., DictConfig]) -> None:
    cfg = metrics(f"model/metrics=[{','.join(OURS)}]")
    assert set(cfg) == {"stains", "perceptual", "sets", "drift"}
    assert cfg.sets.real == {}


def test_what_needs_weights_says_so(
    metrics: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    cfg = metrics("model/metrics=perceptual")
    with pytest.raises(Exception, match="LPIPS needs torchvision's weights"):
        instantiate(cfg)
    assert cfg.perceptual.network._target_ == f"histoseg.metrics.{Lpips.__name__}"
