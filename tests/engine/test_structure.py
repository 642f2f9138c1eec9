"""Nuclei before and after a translation, found by a checkpoint."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from scipy.ndimage import label
from torch import Tensor

from conftest import Compose
from histoseg.engine import checkpoint
from histoseg.engine.structure import NucleiFinder, keep_structure
from histoseg.errors import ContractError

SPOTS = ((10, 10), (30, 12), (12, 40), (44, 44))


def spotted(*spots: tuple[int, int]) -> Tensor:
    picture = torch.ones(1, 3, 64, 64)
    for y, x in spots:
        picture[..., y - 3 : y + 3, x - 3 : x + 3] = 0.1
    return picture


class Dark:
    """A model that calls what is dark a nucleus."""

    mpp, normalise = 0.25, None

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def eval(self) -> "Dark":
        return self

    def to(self, device: torch.device) -> "Dark":
        return self

    def infer(self, pictures: Tensor) -> Tensor:
        self.seen.append(pictures.shape[-1])
        return pictures

    def decode(self, maps: Tensor) -> dict[str, Tensor]:
        found = [label(one)[0] for one in maps.mean(dim=1).numpy() < 0.5]
        return {"pred_instances": torch.from_numpy(np.stack(found)).long()}


@pytest.mark.parametrize(("mpp", "seen"), [(0.25, 64), (None, 64), (0.5, 128), (0.125, 32)])
def test_a_finder_looks_at_its_own_resolution(mpp: float | None, seen: int) -> None:
    model = Dark()
    labels = NucleiFinder(model, mpp)(spotted(*SPOTS))  # type: ignore[arg-type]
    assert model.seen == [seen]
    assert labels.shape == (1, 64, 64)
    assert len(labels.unique()) == 5
    assert all(labels[0, y, x] for y, x in SPOTS)


def test_nuclei_stay_where_they_are_at_another_resolution() -> None:
    """0.4 of 64 px is no whole number: looked at and given back are all of the picture."""
    picture = spotted((56, 56))
    labels = NucleiFinder(Dark(), 0.1)(picture)[0]  # type: ignore[arg-type]
    dark = (picture[0].mean(dim=0) < 0.5).nonzero().double().mean(dim=0)
    torch.testing.assert_close(labels.nonzero().double().mean(dim=0), dark, rtol=0, atol=0.6)


def test_a_finder_sees_what_its_model_normalises() -> None:
    model = Dark()
    model.normalise = lambda image: 255 - image  # type: ignore[assignment]
    labels = NucleiFinder(model, 0.25)(spotted(*SPOTS))  # type: ignore[arg-type]
    assert not labels[0, 10, 10]
    assert labels[0, 0, 0]


@pytest.fixture
def nuclei(tmp_path: Path, composed: Compose) -> Path:
    cfg = composed("train", "model=hovernet", "data=synthetic", tiny="hovernet")
    module = checkpoint.build(cfg)
    content = {"state_dict": module.state_dict(), "histoseg": module.recipe}
    torch.save(content, tmp_path / "nuclei.ckpt")
    return tmp_path / "nuclei.ckpt"


def test_evaluation_adds_the_structure_of_a_translation(nuclei: Path, composed: Compose) -> None:
    cfg = composed("train", "model=cyclegan", "data=synthetic_stains", tiny="cyclegan")
    structure = {"ckpt": str(nuclei), "before": None, "radius_um": 3}
    asked = OmegaConf.create({"channels_last": False, "structure": structure})
    module = instantiate(cfg.model).eval()
    keep_structure(module, OmegaConf.create({"structure": {"ckpt": None}}))
    assert "structure" not in module.test_scores
    keep_structure(module, asked)
    kept = module.test_scores["structure"]
    assert kept.before is kept.after
    kept.before = kept.after = NucleiFinder(Dark(), 0.25)  # type: ignore[arg-type]
    stains = {"ihc": spotted(*SPOTS), "hematoxylin": spotted()}
    module.test_scores.update(stains=stains, pred_stains={"hematoxylin": spotted(*SPOTS[:3])})
    found = module.test_scores.compute()
    assert found["test/structure_f1"].item() == pytest.approx(6 / 7)
    assert found["test/nuclei_lost"].item() == pytest.approx(1 / 4)
    assert kept.row(0)["structure_f1"] == pytest.approx(6 / 7)
    with pytest.raises(ValueError, match="translation to hematoxylin; there are"):
        kept.update(stains, {"ihc": spotted()})


def test_structure_is_of_one_stain_made_of_one(nuclei: Path, composed: Compose) -> None:
    asked = OmegaConf.create({"channels_last": False, "structure": {"ckpt": str(nuclei)}})
    several = composed("train", "model=deepliif", "data=synthetic_stains", tiny="deepliif")
    with pytest.raises(ContractError, match="DeepLIIF does not make one stain of one"):
        keep_structure(instantiate(several.model), asked)
    cfg = composed("train", "model=pix2pix", "data=synthetic_stains", tiny="pix2pix")
    module = checkpoint.build(cfg)
    other = nuclei.with_name("other.ckpt")
    torch.save({"state_dict": module.state_dict(), "histoseg": module.recipe}, other)
    asked.structure.ckpt = str(other)
    with pytest.raises(ContractError, match="is a Pix2Pix, which finds no nuclei"):
        keep_structure(module, asked)
