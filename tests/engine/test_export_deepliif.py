"""``format=deepliif``: the folder that the original loads."""

from pathlib import Path

import pytest
import torch

from conftest import Compose
from histoseg.engine import checkpoint
from histoseg.engine.export import export
from histoseg.errors import CheckpointError
from histoseg.weights.deepliif import read_deepliif


def exporting(composed: Compose, model: str, *more: str) -> Path:
    args = [f"model={model}", "data=synthetic_stains", "format=deepliif"]
    return export(composed("export", *args, *more, tiny=model))


def trained(composed: Compose, model: str, folder: Path) -> Path:
    """A checkpoint whose training took no step."""
    cfg = composed("train", f"model={model}", "data=synthetic_stains", tiny=model)
    module = checkpoint.build(cfg)
    path = folder / f"{model}.ckpt"
    torch.save({"histoseg": module.recipe, "state_dict": module.state_dict()}, path)
    return path


def test_a_checkpoint_becomes_a_folder_of_the_original(composed: Compose, tmp_path: Path) -> None:
    ckpt, folder = trained(composed, "deepliif", tmp_path), tmp_path / "official"
    assert exporting(composed, "deepliif", f"ckpt={ckpt}", f"output={folder}") == folder
    found = read_deepliif(folder, critics=True)
    assert (found.tile, found.inputs) == (64, ("IHC",))
    assert found.modalities == ("Hema", "DAPI", "Lap2", "Marker")
    assert found.seg_weights == pytest.approx((0.25, 0.15, 0.25, 0.1, 0.25))
    weights = torch.load(ckpt, weights_only=True)["state_dict"]
    for side, stored in (
        ("network.translators.dapi", found.translators[1]),
        ("network.segmenters.ihc", found.segmenters[0]),
        ("discriminators.marker", found.translator_critics[3]),
        ("discriminators.seg_lap2", found.segmenter_critics[3]),
    ):
        for key, value in stored.weights.items():
            assert torch.equal(value, weights[f"{side}.{key}"]), f"{side}.{key}"
    again = tmp_path / "again"
    exporting(composed, "deepliif", f"model.pretrained={folder}", f"output={again}")
    assert {p.name for p in again.iterdir()} == {p.name for p in folder.iterdir()}


def test_what_it_cannot_hold_is_refused(composed: Compose, tmp_path: Path) -> None:
    other = trained(composed, "ihc_generator", tmp_path)
    with pytest.raises(CheckpointError, match="holds a DeepLIIF"):
        exporting(composed, "ihc_generator", f"ckpt={other}", f"output={tmp_path / 'a'}")
    ckpt = trained(composed, "deepliif", tmp_path)
    with pytest.raises(ValueError, match="expected a folder"):
        exporting(composed, "deepliif", f"ckpt={ckpt}", f"output={tmp_path / 'a.pth'}")
