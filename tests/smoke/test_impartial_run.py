"""ImPartial from a few strokes to scores, end to end: the synthetic test of its specification."""

import json
from pathlib import Path

import cv2
import pytest
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from conftest import Compose
from histoseg.data import PercentileNormaliser
from histoseg.engine import checkpoint
from histoseg.engine.evaluate import score
from histoseg.engine.train import train
from histoseg.modules.impartial import ImPartial

LEARNING = [
    "model=impartial",
    "data=synthetic_scribbles",
    "data.splits.train.length=1",  # one image of some 45 cells, of which 6 have strokes
    "data.splits.val.length=1",
    "data.splits.test.length=1",
    "data.tiles_per_image=400",
    "data.num_workers=0",
    "model.network.width=8",
    "model.network.depth=3",
    "model.network.dropout=0.1",
    "model.optimizer.lr=2e-3",
    "model.passes=2",
    "trainer.max_epochs=1",
    "trainer.enable_progress_bar=false",
    "trainer.enable_model_summary=false",
    "trainer.num_sanity_val_steps=0",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("impartial")


def test_six_cells_are_enough_for_the_others(composed: Compose, folder: Path) -> None:
    cfg = composed("train", *LEARNING, f"paths.run={folder}")
    train(cfg)
    scores = json.loads((folder / "test" / "metrics.json").read_text())
    assert scores["test/dq"] >= 0.75, "F1 at an IoU of one half, on an image not trained on"
    panel = cv2.imread(str(folder / "fit" / "panels" / "epoch_000.png"))
    assert panel is not None
    assert panel.shape[1] >= 6 * 64, "image, strokes, probability, uncertainty, truth, found"
    _a_saved_model_is_the_same_model(cfg, folder, scores)


def _a_saved_model_is_the_same_model(
    cfg: DictConfig, folder: Path, scores: dict[str, float]
) -> None:
    stored = checkpoint.stored_config(folder / "best.ckpt")
    assert stored.model.normalise.low == 1
    again = score(_with(cfg, stored), folder / "best.ckpt", folder / "again")
    for name, value in scores.items():
        assert again[name] == pytest.approx(value, nan_ok=True, abs=0)
    module = checkpoint.build(_with(cfg, stored))
    checkpoint.load_weights(module, folder / "best.ckpt")
    assert isinstance(module, ImPartial)
    assert isinstance(module.normalise, PercentileNormaliser)
    assert 0.05 < float(module.tuned) < 0.95
    assert float(module.tuned) != 0.5
    other = checkpoint.build(_with(cfg, stored)).eval()
    other.load_state_dict(module.state_dict())
    image = torch.rand(1, 2, 40, 48)
    for name, m in module.eval().infer(image).items():
        assert torch.equal(m, other.infer(image)[name])


def _with(cfg: DictConfig, stored: DictConfig) -> DictConfig:
    pl.seed_everything(99, verbose=False)
    cfg = cfg.copy()
    cfg.model = stored.model
    return cfg


def test_without_annotated_objects_there_are_no_scores_but_pictures(
    composed: Compose, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from histoseg.data import SyntheticScribbles

    plain = SyntheticScribbles._draw

    def only_strokes(self: SyntheticScribbles, index: int) -> object:
        record = plain(self, index)
        return {k: v for k, v in record.items() if k not in ("instances", "semantic")}

    monkeypatch.setattr(SyntheticScribbles, "_draw", only_strokes)
    few = ["data.tiles_per_image=8", "test=false", "data.dataset.size=64", "data.dataset.cells=6"]
    cfg = composed("train", *LEARNING, *few, tiny="impartial")
    assert train(cfg) is not None
    assert (Path(cfg.paths.run) / "fit" / "panels" / "epoch_000.png").is_file()
