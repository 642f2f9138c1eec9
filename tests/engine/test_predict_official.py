"""Official weights are run as they are."""

from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import Compose
from histoseg.engine.class_names import name_classes
from histoseg.engine.evaluate import score
from histoseg.engine.predict import load
from histoseg.engine.predict_image import predict_image
from histoseg.errors import CheckpointError
from histoseg.networks import HoVerNet
from histoseg.weights.hovernet import to_official
from histoseg.writers import write_type_info

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


@pytest.mark.parametrize(
    ("options", "data", "words"),
    [
        ({"classes": 4}, "pannuke", "the file is of 4 classes, the model of 5. Choose data="),
        ({"classes": 0}, "pannuke", "the file is of 0 classes, the model of 5"),
    ],
)
def test_a_class_branch_that_would_start_anew_is_refused(
    composed: Compose, tmp_path: Path, options: dict[str, int], data: str, words: str
) -> None:
    path = official(tmp_path / "a.tar", **options)
    for verb in ("predict", "evaluate"):
        more = ["input=x"] if verb == "predict" else []
        cfg = composed(verb, *OVERRIDES, f"model.pretrained='{path}'", *more)
        with pytest.raises(CheckpointError, match=words):
            load(cfg) if verb == "predict" else score(cfg, None, tmp_path)


def test_an_encoder_alone_cannot_predict(composed: Compose, tmp_path: Path) -> None:
    path = official(tmp_path / "a.tar", classes=5)
    state = torch.load(path, weights_only=True)["desc"]
    torch.save({k: v for k, v in state.items() if "decoder" not in k}, path)
    cfg = composed("predict", *OVERRIDES, f"model.pretrained='{path}'", "input=x")
    with pytest.raises(CheckpointError, match="decoders: the file holds an encoder alone"):
        load(cfg)
    with pytest.raises(CheckpointError, match="there are no weights"):
        load(composed("predict", *OVERRIDES, "input=x"))


def test_official_weights_take_their_classes_from_a_type_info(
    composed: Compose, tmp_path: Path
) -> None:
    path = official(tmp_path / "a.tar", classes=3)
    info = write_type_info(tmp_path, ["a", "b", "c"], [[1, 2, 3]] * 3)
    own = [o.replace("pannuke", "folder") for o in OVERRIDES]
    cfg = composed("predict", *own, f"model.pretrained='{path}'", f"type_info='{info}'", "input=x")
    name_classes(cfg)
    assert load(cfg).classes == ("a", "b", "c")
