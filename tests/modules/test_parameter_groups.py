"""Learning rates of the encoder and of the rest, and what decays."""

import math

import pytest
import torch

from conftest import Compose
from histoseg.engine import checkpoint
from histoseg.modules.base import Module

LR = 1e-4


def built(composed: Compose, *more: str) -> Module:
    return checkpoint.build(
        composed("train", "model=hovernet", "data=synthetic", *more, tiny="hovernet")
    )


def groups(module: Module) -> dict[str, dict[str, object]]:
    optimizer = module.configure_optimizers()["optimizer"]
    return {g.get("name", "all"): g for g in optimizer.param_groups}


def test_by_default_there_is_one_group(composed: Compose) -> None:
    assert groups(built(composed)).keys() == {"all"}


@pytest.mark.parametrize("encoder", ["null", "resnet18"])
def test_the_encoder_learns_at_its_own_rate(composed: Compose, encoder: str) -> None:
    module = built(composed, "model.encoder_lr=0.1", f"model.network.encoder={encoder}")
    found = groups(module)
    assert {name: g["lr"] for name, g in found.items()} == {
        "encoder": pytest.approx(LR / 10),
        "rest": LR,
    }
    inside = {id(p) for p in module.network.encoder.parameters()}
    assert {id(p) for p in found["encoder"]["params"]} == inside
    everything = {id(p) for p in module.parameters()}
    assert {id(p) for p in found["rest"]["params"]} == everything - inside


@pytest.mark.parametrize(
    ("schedule", "after"),
    [
        ("step", LR * 0.1),
        ("cosine", LR * (1 + math.cos(math.pi / 2)) / 2),
        ("plateau", LR * 0.1),
        ("none", LR),
    ],
)
def test_schedules_keep_the_factor(composed: Compose, schedule: str, after: float) -> None:
    module = built(
        composed, "model.encoder_lr=0.2", f"model/scheduler={schedule}", "trainer.max_epochs=50"
    )
    recipe = module.configure_optimizers()
    optimizer, scheduler = recipe["optimizer"], recipe["lr_scheduler"]["scheduler"]
    optimizer.step()
    for _ in range(25):
        scheduler.step(*([1.0] if schedule == "plateau" else []))
        if schedule == "plateau" and optimizer.param_groups[1]["lr"] < LR:
            break
    rates = {g["name"]: g["lr"] for g in optimizer.param_groups}
    assert rates["rest"] == pytest.approx(after, rel=1e-3)
    assert rates["encoder"] == pytest.approx(0.2 * after, rel=1e-3)


def test_norms_and_biases_do_not_decay_if_asked(composed: Compose) -> None:
    module = built(composed, "model/optimizer=adamw", "model.decay_norms=false")
    found = groups(module)
    assert found.keys() == {f"{part}{how}" for part in ("encoder", "rest") for how in ("", D)}
    for name, group in found.items():
        flat = name.endswith(D)
        assert group["weight_decay"] == (0 if flat else 1e-2)
        assert all((p.ndim <= 1) == flat for p in group["params"])
    assert sum(len(g["params"]) for g in found.values()) == len(list(module.parameters()))


D = " without decay"


def test_what_is_frozen_is_in_no_group(composed: Compose) -> None:
    module = built(composed, "model.encoder_lr=0.1", "model.freeze_encoder=full")
    assert groups(module).keys() == {"rest"}
    reference = built(composed, "model.encoder_lr=0.1", "model.freeze_encoder=reference")
    assert all(p.requires_grad for p in groups(reference)["encoder"]["params"])


def test_a_factor_that_makes_no_sense_is_refused(composed: Compose) -> None:
    with pytest.raises(ValueError, match="freeze_encoder=full"):
        built(composed, "model.encoder_lr=0").configure_optimizers()
    module = built(composed, "model.encoder_lr=0.1")
    module.network = torch.nn.Conv2d(3, 1, 1)
    with pytest.raises(ValueError, match="no part called encoder"):
        module.configure_optimizers()
