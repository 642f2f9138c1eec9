"""Weights of the official code and of IHC_HE_GenAI in a CycleGAN, and back."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from conftest import Compose
from histoseg.engine import checkpoint
from histoseg.engine.export import export
from histoseg.errors import CheckpointError
from histoseg.modules import CycleGAN
from histoseg.modules.stored_networks import stored
from histoseg.weights.cyclegan import read_cyclegan, write_cyclegan
from histoseg.weights.translators import write_official

PARTS = ("network.a_to_b", "network.b_to_a", "discriminators.a", "discriminators.b")
OFFICIAL = {f"latest_net_{name}.pth" for name in ("G_A", "G_B", "D_A", "D_B")}
ORIGIN = [
    "model.network.translator.stem_norm=false",
    "model.network.translator.down_padding=reflect",
    "model.discriminator.padding=reflect",
    "model.discriminator.sigmoid=true",
    "model.discriminator.layers=3",
]


def config(composed: Compose, *more: str, root: str = "train", model: str = "cyclegan") -> Any:
    return composed(root, f"model={model}", "data=synthetic_stains", *more, tiny=model)


def build(composed: Compose, *more: str) -> CycleGAN:
    module = instantiate(config(composed, *more).model)
    assert isinstance(module, CycleGAN)
    return module


def same(a: CycleGAN, b: CycleGAN, part: str) -> bool:
    there, here = (m.get_submodule(part).state_dict() for m in (a, b))
    return all(torch.equal(value, here[key]) for key, value in there.items())


def trained(module: CycleGAN, composed: Compose, path: Path, *more: str) -> Path:
    recipe = checkpoint.record(config(composed, *more))
    torch.save({"histoseg": recipe, "state_dict": module.state_dict()}, path)
    return path


@pytest.mark.parametrize("settings", [[], ORIGIN], ids=["official", "origin"])
def test_folders_there_and_back(settings: list[str], composed: Compose, tmp_path: Path) -> None:
    written = build(composed, *settings)
    write_cyclegan(tmp_path, written.folder())
    if not settings:
        assert {path.name for path in tmp_path.iterdir()} == OFFICIAL
    read = build(composed, *settings, f"model.pretrained={tmp_path}")
    assert all(same(written, read, part) for part in PARTS)
    assert not read.untrained
    picture = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(read.eval().tile_maps(picture), written.eval().tile_maps(picture))


@pytest.mark.parametrize(
    ("wrong", "right"), [([], ORIGIN), (ORIGIN, ["model.discriminator.layers=3"])]
)
def test_a_network_that_computes_otherwise_is_refused(
    wrong: list[str], right: list[str], composed: Compose, tmp_path: Path
) -> None:
    write_cyclegan(tmp_path, build(composed, *right).folder())
    with pytest.raises(InstantiationException, match=r"set model\.network to it"):
        build(composed, *wrong, f"model.pretrained={tmp_path}")


def test_dropout_of_a_file_is_no_other_network(composed: Compose, tmp_path: Path) -> None:
    written = build(composed, "model.network.translator.dropout=0.5")
    write_cyclegan(tmp_path, written.folder())
    keys = torch.load(tmp_path / "latest_net_G_A.pth", weights_only=True)
    assert "model.10.conv_block.6.weight" in keys, "shifted by the layer that drops"
    assert same(written, build(composed, f"model.pretrained={tmp_path}"), "network.a_to_b")


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_one_generator_predicts(
    direction: str, composed: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written = build(composed)
    write_cyclegan(tmp_path, written.folder())
    file = tmp_path / "latest_net_G_A.pth"
    asked = [f"model.direction={direction}", f"model.pretrained={file}"]
    cfg = config(composed, *asked, root="predict")
    with caplog.at_level(logging.INFO):
        module = checkpoint.load(cfg)
    assert isinstance(module, CycleGAN)
    own = module.network.get_submodule(direction).state_dict()
    assert all(torch.equal(v, own[k]) for k, v in written.network.a_to_b.state_dict().items())
    other = "b_to_a" if direction == "a_to_b" else "a_to_b"
    assert f"has no {other}, critic_a, critic_b: they start anew" in caplog.text.replace(
        "a_to_b, b_to_a", "a_to_b"
    )


def test_the_other_direction_has_to_be_there(composed: Compose, tmp_path: Path) -> None:
    write_cyclegan(tmp_path, build(composed).folder())
    (tmp_path / "latest_net_G_B.pth").unlink()
    there = [f"model.pretrained={tmp_path}", "model.direction=b_to_a"]
    with pytest.raises(CheckpointError, match="does not give the generator b_to_a"):
        checkpoint.load(config(composed, *there, root="predict"))


def test_a_checkpoint_starts_a_training_of_other_stains(composed: Compose, tmp_path: Path) -> None:
    before = build(composed)
    ckpt = trained(before, composed, tmp_path / "a.ckpt")
    after = build(composed, f"model.pretrained={ckpt}", "model.outputs=[dapi]")
    assert all(same(before, after, part) for part in PARTS)
    with pytest.raises(InstantiationException, match="does not fit the configured model"):
        build(composed, f"model.pretrained={ckpt}", "model.network.translator.width=6")


def test_a_checkpoint_is_exported_under_the_official_names(
    composed: Compose, tmp_path: Path
) -> None:
    module = build(composed)
    ckpt, folder = trained(module, composed, tmp_path / "a.ckpt"), tmp_path / "official"
    args = ["format=cyclegan", f"ckpt={ckpt}", f"output={folder}"]
    assert export(config(composed, *args, root="export")) == folder
    assert {path.name for path in folder.iterdir()} == OFFICIAL
    found = read_cyclegan(folder)
    assert found.critic_b is not None
    weights = module.discriminators["b"].state_dict()
    assert all(torch.equal(value, weights[k]) for k, value in found.critic_b.weights.items())
    with pytest.raises(ValueError, match="expected a folder"):
        export(config(composed, *args[:2], f"output={tmp_path / 'a.pth'}", root="export"))


def test_pix2pix_reads_one_way_folders_and_is_no_cyclegan(
    composed: Compose, tmp_path: Path
) -> None:
    cfg = config(composed, model="pix2pix")
    module, other = instantiate(cfg.model), instantiate(cfg.model)
    with torch.no_grad():
        for part in module.parameters():
            part.add_(0.5)
    write_official(tmp_path / "latest_net_G.pth", stored(module.network))
    write_official(tmp_path / "latest_net_D.pth", stored(module.discriminators["output"]))
    other.load_pretrained(tmp_path)
    for (name, a), b in zip(module.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), name
    ckpt = tmp_path / "a.ckpt"
    torch.save({"histoseg": checkpoint.record(cfg), "state_dict": module.state_dict()}, ckpt)
    args = ["format=cyclegan", f"ckpt={ckpt}", f"output={tmp_path / 'x'}"]
    with pytest.raises(CheckpointError, match="holds a CycleGAN"):
        export(config(composed, *args, root="export", model="pix2pix"))
    again = instantiate(cfg.model)
    again.load_pretrained(ckpt)
    assert torch.equal(again.network.head.weight, module.network.head.weight)
