"""The recipe: losses, stages, rates, and that it learns."""

from pathlib import Path
from typing import cast

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor
from torch.nn import functional

from conftest import CONF, Compose
from histoseg.contracts import Sample
from histoseg.engine.phases import phases
from histoseg.modules import OneCycle, PixelShuffleUNet
from histoseg.weights.pixelshuffle_unet import to_fastai


def built(composed: Compose, *more: str, phase: int = -1) -> PixelShuffleUNet:
    given = ["model=pixelshuffle_unet", "data=loading_codes", *more]
    cfg = [*phases(composed("train", *given, tiny="pixelshuffle_unet"))][phase]
    return cast(PixelShuffleUNet, instantiate(cfg.model))


def batch(side: int = 64, count: int = 2) -> Sample:
    image = torch.rand(count, 3, side, side)
    semantic = (image.mean(1) > 0.55).long()
    return Sample(image=image, semantic=semantic, instances=semantic)


def test_the_two_stages_are_those_of_the_original(composed: Compose) -> None:
    held, learning = built(composed, phase=0), built(composed)
    assert held.network.freeze_mode == "convs"
    optimizer = held.optimizer_of(held.parameters())
    assert [g["lr"] for g in optimizer.param_groups] == [1e-4]
    optimizer = learning.optimizer_of(learning.parameters())
    assert isinstance(optimizer, torch.optim.AdamW)
    rates = {g["name"]: g["lr"] for g in optimizer.param_groups}
    assert rates == pytest.approx({"early": 1e-6, "late": 7.0711e-6, "decoder": 5e-5}, rel=1e-4)
    for group in optimizer.param_groups:
        assert (group["weight_decay"], tuple(group["betas"])) == (0.01, (0.9, 0.99))
    counts = sum(p.numel() for g in optimizer.param_groups for p in g["params"])
    assert counts == sum(p.numel() for p in learning.parameters())
    epochs = OmegaConf.load(CONF / "phases" / "pixelshuffle_unet.yaml")
    assert [p.trainer.max_epochs for p in epochs.values()] == [5, 100]


def test_one_cycle_goes_up_and_down(composed: Compose) -> None:
    model = built(composed)
    optimizer = model.optimizer_of(model.parameters())
    schedule = model.scheduler_recipe(optimizer, total_steps=101)  # type: ignore[call-arg]
    assert isinstance(schedule, OneCycle)
    rates, betas = [], []
    for _ in range(101):
        rates.append([g["lr"] for g in optimizer.param_groups])
        betas.append(optimizer.param_groups[0]["betas"][0])
        optimizer.step()
        schedule.step() if len(rates) < 101 else None
    highest = [1e-6, 1e-6 * 50**0.5, 5e-5]
    assert rates[0] == pytest.approx([r / 25 for r in highest])
    assert [max(r) for r in zip(*rates, strict=True)] == pytest.approx(highest, rel=1e-3)
    assert rates[-1] == pytest.approx([r / 25e4 for r in highest], rel=1e-3)
    assert 28 <= [r[0] for r in rates].index(max(r[0] for r in rates)) <= 31
    assert (betas[0], min(betas), betas[-1]) == pytest.approx((0.95, 0.85, 0.95), rel=1e-3)


def test_the_loss_is_the_weighted_cross_entropy(composed: Compose) -> None:
    model, given = built(composed, "model.losses.cross_entropy.penalty=10"), batch()
    outputs = model(given)
    wanted = functional.cross_entropy(
        outputs["classes"], given["semantic"], torch.tensor([1.0, 10.0])
    )
    torch.testing.assert_close(model.losses(given, outputs)["loss"], wanted)


@pytest.mark.parametrize("choice", ["cross_entropy_dice", "focal"])
def test_other_losses_are_chosen(choice: str, composed: Compose) -> None:
    model, given = built(composed, f"model/pixel_losses={choice}"), batch()
    terms = model.losses(given, model(given))
    total = torch.stack([terms[name] for name in model.weights]).sum()
    torch.testing.assert_close(terms["loss"], total)
    assert len(model.weights) == (2 if choice == "cross_entropy_dice" else 1)


def test_ignored_pixels_neither_learn_nor_score(composed: Compose) -> None:
    model, given = built(composed), batch()
    ignore = torch.zeros(2, 64, 64, dtype=torch.bool)
    ignore[:, :32] = True
    given["ignore"] = ignore
    outputs = model(given)
    loss = model.losses(given, outputs)["loss"]
    given["semantic"] = given["semantic"].clone()
    given["semantic"][:, :32] = 1 - given["semantic"][:, :32]
    torch.testing.assert_close(model.losses(given, outputs)["loss"], loss)
    assert (model.truth(given, (64, 64))["pixels"][ignore] == -1).all()


def test_without_classes_pixels_of_objects_are_the_cells(composed: Compose) -> None:
    model = built(composed, "model.classes=[]", "model.colours=[]", "model.postprocess.classes=[]")
    given = Sample(image=torch.rand(1, 3, 64, 64), instances=torch.zeros(1, 64, 64).long())
    given["instances"][0, 4:9, 4:9] = 7
    assert model.learns == {"instances"}
    true = model.truth(given, (64, 64))["pixels"]
    assert (true.sum(), true.max()) == (25, 1)
    found = model.decode({"classes": functional.one_hot(true, 2).movedim(-1, 1).float()})
    assert found["pred_instances"].unique().tolist() == [0, 1]
    model.val_scores.update(**model.truth(given, (64, 64)), **found)
    assert model.val_scores.compute()["val/pixel_dice"] == 1


def test_it_overfits_a_few_tiles(composed: Compose) -> None:
    model, given = built(composed), batch()
    given["semantic"] = torch.zeros(2, 64, 64).long()
    given["semantic"][:, 10:30, 20:50] = given["semantic"][1, 40:] = 1
    given["image"] = given["image"] * 0.5 + 0.5 * given["semantic"].unsqueeze(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses: list[Tensor] = []
    for _ in range(12):
        loss = model.losses(given, model(given))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    assert losses[-1] < 0.3 * losses[0]


def test_files_of_fastai_and_of_encoders_start_it(composed: Compose, tmp_path: Path) -> None:
    one = "model.network.encoder=resnet18"
    source = built(composed, one).network
    torch.save({"model": to_fastai(source.state_dict()), "opt": {}}, tmp_path / "a.pth")
    other = built(
        composed, one, f"model.pretrained={tmp_path / 'a.pth'}", "model.classes=[a,b]",
        "model.colours=[]",
    )  # fmt: skip
    assert "head: the file is of 1 classes, the model of 2" in other.untrained
    assert torch.equal(other.network.cross[0][0].weight, source.cross[0][0].weight)  # type: ignore[index, arg-type]
    encoder = {k.removeprefix("encoder."): v for k, v in source.state_dict().items() if "enc" in k}
    torch.save(encoder, tmp_path / "b.pth")
    model = built(composed, one, f"model.pretrained={tmp_path / 'b.pth'}")
    assert model.untrained.startswith("decoder")
    assert torch.equal(model.network.encoder.conv1.weight, source.encoder.conv1.weight)


def test_losses_without_weights_are_refused(composed: Compose) -> None:
    with pytest.raises(Exception, match="a weight for each"):
        built(composed, "model.weights={}", "model.losses.cross_entropy=null")
