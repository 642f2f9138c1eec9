"""Official weights are run as they are."""

from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import Compose
from histoseg.engine.predict import load, predict_image
from histoseg.errors import CheckpointError
from histoseg.networks import HoVerNet
from histoseg.weights.hovernet import to_official

SMALL = {"width": 8, "depths": (1, 1, 1, 1)}
OVERRIDES = [
    "model=hovernet",
    "data=pannuke",
    *(f"model.network.{k}={list(v) if isinstance(v, tuple) else v}" for k, v in SMALL.items()),
]


def official(path: Path, **options: int) -> Path:
    torch.manual_seed(0)
    state = to_official(HoVerNet(**SMALL, **options).state_dict())
    torch.save({"desc": {f"module.{key}": value for key, value in state.items()}}, path)
    return path


def test_official_weights_predict_without_training(composed: Compose, tmp_path: Path) -> None:
    path = official(tmp_path / "net_epoch=50.tar", classes=5)
    cfg = composed(
        "predict", *OVERRIDES, f"model.pretrained='{path}'", "input=x", "accelerator=cpu"
    )
    module = load(cfg)
    torch.manual_seed(0)
    for key, value in HoVerNet(classes=5, **SMALL).state_dict().items():
        assert torch.equal(module.state_dict()[f"network.{key}"], value), key
    image = np.random.default_rng(0).integers(0, 255, (70, 90, 3), dtype=np.uint8)
    assert predict_image(module, image, "x", cfg).instances.labels.shape == (70, 90)


def test_official_weights_of_the_other_geometry_are_refused(
    composed: Compose, tmp_path: Path
) -> None:
    path = official(tmp_path / "a.tar", classes=5, mode="original")
    cfg = composed("predict", *OVERRIDES, f"model.pretrained='{path}'", "input=x")
    with pytest.raises(Exception, match="mode") as error:
        load(cfg)
    assert isinstance(error.value.__cause__, CheckpointError)
