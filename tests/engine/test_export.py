"""A checkpoint leaves as what another program loads."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import Compose
from fakes import tiatoolbox
from histoseg.annotations import read_type_info
from histoseg.engine import checkpoint
from histoseg.engine.export import export
from histoseg.errors import CheckpointError, ContractError
from histoseg.writers import write_type_info

GOLDEN = {"hovernet": "fast_types6", "hovernet_original": "original_types5"}
DATA = {"hovernet": "pannuke", "hovernet_original": "consep"}
SMALL = ["model.network.width=8", "model.network.depths=[1,1,1,1]"]


def cfg_of(composed: Compose, model: str, *args: str) -> Any:
    data = f"data={DATA[model]}"
    return composed("export", f"model={model}", data, "output=out/net.tar", *args)


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("model", GOLDEN)
def test_the_file_is_what_the_original_loads_strictly(
    composed: Compose,
    tmp_path: Path,
    shared_golden: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    typed: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    kernel, num_types = {"hovernet": (3, 6), "hovernet_original": (5, 5)}[model]
    given = tiatoolbox.state(num_types if typed else None, kernel, width=64)
    torch.save(given, "given.pth")
    args = [] if typed else ["model.classes=[]"]
    path = export(cfg_of(composed, model, "model.pretrained=given.pth", *args))
    content = torch.load(tmp_path / path, weights_only=True)
    assert list(content) == ["desc"]
    expected = json.loads((shared_golden / f"hovernet_{GOLDEN[model]}.shapes.json").read_text())
    expected = {k: v for k, v in expected.items() if typed or not k.startswith("decoder.tp.")}
    expected["upsample2x.unpool_mat"] = [2, 2]
    assert {key: list(value.shape) for key, value in content["desc"].items()} == expected
    for key, value in content["desc"].items():
        assert torch.equal(value, given[key]), key
        assert value.dtype == given[key].dtype
    info = tmp_path / "out" / "type_info.json"
    assert info.is_file() == typed
    if typed:
        assert len(read_type_info(info).classes) == num_types - 1


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (SMALL, "the original HoVer-Net has width 64, .*; this network has width 8"),
        (["model.network.depths=[3,4,6,4]"], r"this network has width 64, depths \(3, 4, 6, 4\)"),
        (["model.network.encoder=resnet18"], "this network has one of timm"),
        (["+model.network.in_channels=4"], r"encoder.conv0.weight \(64, 4, 7, 7\) instead of"),
    ],
)
def test_what_the_original_cannot_represent_is_refused(
    composed: Compose, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, args: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("histoseg.engine.checkpoint.require_trained", lambda *_: None)
    with pytest.raises(CheckpointError, match=words):
        export(cfg_of(composed, "hovernet", *args))
    assert not (tmp_path / "out").exists()


def test_names_of_another_network_are_not_overwritten(
    composed: Compose, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("histoseg.engine.checkpoint.require_trained", lambda *_: None)
    names = [f"class {k}" for k in range(5)]
    other = write_type_info(tmp_path / "out", names, [[0, 0, k] for k in range(5)])
    before = other.read_bytes()
    with pytest.raises(ContractError, match=r"names other classes.*another folder"):
        export(cfg_of(composed, "hovernet"))
    export(cfg_of(composed, "hovernet", "type_info=out/type_info.json"))
    assert other.read_bytes() == before
    assert (tmp_path / "out" / "net.tar").is_file()


def test_stains_that_the_original_does_not_normalise_are_told(
    composed: Compose,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("histoseg.engine.checkpoint.require_trained", lambda *_: None)
    export(cfg_of(composed, "hovernet"))
    assert "stains" not in caplog.text
    export(cfg_of(composed, "hovernet", "model/normalise=macenko"))
    assert "learned on normalised stains" in caplog.text


@pytest.mark.parametrize(
    ("arg", "words"),
    [("format=onx", "format=onx: expected one of hovernet"), ("output=net.pth", r"end in \.tar")],
)
def test_a_wrong_setting_is_named(
    composed: Compose, monkeypatch: pytest.MonkeyPatch, arg: str, words: str
) -> None:
    monkeypatch.setattr("histoseg.engine.checkpoint.require_trained", lambda *_: None)
    with pytest.raises(ValueError, match=words):
        export(cfg_of(composed, "hovernet", *SMALL, arg))


def test_weights_of_an_original_become_a_checkpoint_of_ours(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(tiatoolbox.state(6, 3, width=8), "given.pth")
    given = ["model.pretrained=given.pth", SMALL[0], "format=histoseg"]
    with pytest.raises(ValueError, match=r"end in \.ckpt"):
        export(cfg_of(composed, "hovernet", *given))
    made = export(cfg_of(composed, "hovernet", *given, "output=out/net.ckpt"))
    stored = checkpoint.stored_config(made)
    assert stored.model.pretrained is None
    again = checkpoint.build(stored)
    checkpoint.load_weights(again, made)
    first = checkpoint.build(cfg_of(composed, "hovernet", *given))
    for key, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[key], value)
