"""The recipes of CycleGAN, built: networks, schedules, what learns."""

import pytest
from hydra.utils import instantiate

from conftest import CONF, Compose
from histoseg.modules import CycleGAN

NARROW = ("model.network.translator.width=4", "model.discriminator.width=4")
SCHEDULES = sorted(path.stem for path in (CONF / "model" / "scheduler").glob("*.yaml"))


def built(composed: Compose, *given: str) -> CycleGAN:
    module = instantiate(composed("train", *given, *NARROW).model)
    assert isinstance(module, CycleGAN)
    return module


@pytest.mark.parametrize(
    ("experiment", "rate", "factors"),
    [
        ("cyclegan_official", 2e-4, {0: 1, 99: 1, 100: 100 / 101, 199: 1 / 101}),
        ("cyclegan_aidl", 1e-5, {0: 1, 149: 1}),
        ("cyclegan_finetune", 1e-5, {0: 1, 49: 1}),
    ],
)
def test_rates_of_the_recipes(
    composed: Compose, experiment: str, rate: float, factors: dict[int, float]
) -> None:
    module = built(composed, f"experiment={experiment}", "model.pretrained=null")
    sides, schedules = module.configure_optimizers()
    for side, schedule in zip(sides, schedules, strict=True):
        for epoch in range(max(factors) + 1):
            if epoch in factors:
                assert side.param_groups[0]["lr"] == pytest.approx(rate * factors[epoch])
            side.step()
            schedule["scheduler"].step()


def test_fine_tuning_holds_all_but_the_ends_still(composed: Compose) -> None:
    module = built(composed, "experiment=cyclegan_finetune", "model.pretrained=null")
    for net in (module.network.a_to_b, module.network.b_to_a):
        blocks = [all(p.requires_grad for p in block.parameters()) for block in net.blocks]
        assert blocks == [False] * 7 + [True] * 2
        learning = {n.split(".")[0] for n, p in net.named_parameters() if p.requires_grad}
        assert learning == {"blocks", "up", "head"}
    for judge in module.discriminators.values():
        # 3 to 64, 64 to 128, 128 to 256 are held, 256 to 512 and the head learn
        widths = [(p.shape[1], p.requires_grad) for p in judge.parameters() if p.ndim == 4]
        assert widths == [(3, False), (4, False), (8, False), (16, True), (32, True)]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_can_be_chosen(composed: Compose, schedule: str) -> None:
    given = ("model=cyclegan", "data=synthetic_stains", f"model/scheduler={schedule}")
    module = built(composed, *given, "model.outputs=[dapi]", "trainer.max_epochs=5")
    if schedule == "one_cycle":
        with pytest.raises(ValueError, match="stepped each batch"):
            module.configure_optimizers()
    else:
        assert len(module.configure_optimizers()[1]) == 2
