"""Two optimisers in turn, against the same steps written out."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from fakes.pair import Pair, discriminator_loss, generator_loss, loader
from histoseg.errors import ContractError, NonFiniteLossError
from histoseg.metrics import DistributionScores
from histoseg.modules.adversarial import check_tile, signed, unsigned
from histoseg.postprocess.decoder import Decoder
from histoseg.writers import to_uint8

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


class Alternating(Pair):
    """The order of CycleGAN."""

    order = ("generators", "discriminators")


def fitted(module: Pair, **settings: Any) -> pl.Trainer:
    options = {"max_epochs": 1, "num_sanity_val_steps": 0} | settings
    trainer = pl.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, log_every_n_steps=1,
        enable_progress_bar=False, enable_model_summary=False, **options,
    )  # fmt: skip
    trainer.fit(module, loader(), loader(1))
    return trainer


def written_out(module: Pair, clip: float | None, accumulate: int) -> list[nn.Module]:
    """What one epoch makes of the two networks."""
    network, judge = deepcopy(module.network), deepcopy(module.discriminators["dapi"])
    sides = {"generators": network, "discriminators": judge}
    steps = {name: torch.optim.SGD(side.parameters(), lr=0.1) for name, side in sides.items()}
    batches = list(loader())
    for i, batch in enumerate(batches):
        made = network(batch["stains"]["ihc"] * 2 - 1).detach()
        for name in module.order:
            before = {n: [p.grad for p in side.parameters()] for n, side in sides.items()}
            if name == "generators":
                loss = generator_loss(network, judge, batch)
            else:
                loss = discriminator_loss(made, judge, batch)
            grads = torch.autograd.grad(loss / accumulate, list(sides[name].parameters()))
            for p, old, new in zip(sides[name].parameters(), before[name], grads, strict=True):
                p.grad = new if old is None else old + new
            if (i + 1) % accumulate == 0 or i + 1 == len(batches):
                if clip is not None:
                    clip_grad_norm_(sides[name].parameters(), clip)
                steps[name].step()
                steps[name].zero_grad()
    return [network, judge]


@pytest.mark.parametrize("kind", [Pair, Alternating])
@pytest.mark.parametrize(("clip", "accumulate"), [(None, 1), (0.05, 1), (None, 3), (0.05, 2)])
def test_an_epoch_is_the_steps_written_out(
    kind: type[Pair], clip: float | None, accumulate: int
) -> None:
    module = kind()
    module.clip, module.accumulate = clip, accumulate
    start = deepcopy(module.state_dict())
    network, judge = written_out(module, clip, accumulate)
    fitted(module)
    for ours, plain in ((module.network, network), (module.discriminators["dapi"], judge)):
        for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)
    assert all(p.requires_grad for p in module.parameters())
    assert any(not torch.equal(v, start[k]) for k, v in module.state_dict().items())


def test_steps_of_both_sides_are_counted_and_batches_are_logged() -> None:
    module = Pair()
    trainer = fitted(module, max_steps=4)
    assert trainer.global_step == 4
    assert trainer.fit_loop.epoch_loop.total_batch_idx == 1, "two batches"


def test_both_schedules_step_once_an_epoch() -> None:
    module = Pair(discriminator_lr=0.5)
    trainer = fitted(module, max_epochs=2)
    rates = [optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers]
    assert rates == pytest.approx([0.1 / 4, 0.05 / 4])


def test_a_plateau_follows_the_monitored_score(tmp_path: Path) -> None:
    def plateau(optimizer: torch.optim.Optimizer) -> Any:
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=0)

    module = Pair(scheduler=plateau, monitor="train/loss", optimizer=_still)
    trainer = fitted(module, max_epochs=3)
    rate = trainer.optimizers[0].param_groups[0]["lr"]
    assert rate == pytest.approx(0.0), "no rate, no better: reduced"
    assert [s.scheduler.num_bad_epochs for s in trainer.lr_scheduler_configs] == [0, 0]


def _still(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.0)


class Brightness(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float().mean(dim=(2, 3)) / 255


class Decoded(Pair):
    @property
    def decoder(self) -> Decoder:
        return Decoder(stains=self.outputs)


@pytest.mark.filterwarnings("ignore:fid/")
def test_scores_of_sets_rest_between_their_epochs() -> None:
    sets = DistributionScores(["dapi"], Brightness(), every_n_epochs=3)
    module, logged = Decoded(metrics={"sets": sets}), []

    class Seen(pl.Callback):
        def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
            logged.append(not pl_module.val_scores["sets"].resting)

    fitted(module, max_epochs=8, callbacks=[Seen()], num_sanity_val_steps=1)
    sanity, *epochs = logged
    assert not sanity
    assert [i for i, scored in enumerate(epochs) if scored] == [0, 2, 5, 7]
    module._trainer.validate(module, loader(2), verbose=False)
    assert logged[-1], "whoever asks for a validation gets all of it"
    assert "val/fid/dapi" in module._trainer.callback_metrics


def test_a_loss_that_is_not_a_number_stops_either_side() -> None:
    for side in ("network", "discriminators"):
        module = Pair()
        with torch.no_grad():
            next(getattr(module, side).parameters()).fill_(float("nan"))
        with pytest.raises(NonFiniteLossError, match="the loss is nan"):
            fitted(module)


def test_16_bits_and_accumulation_are_refused_together() -> None:
    module = Pair()
    module.accumulate = 2
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.strategy.precision_plugin.scaler = object()  # what 16-mixed has on a GPU
    module._trainer = trainer
    with pytest.raises(ValueError, match="use bf16-mixed"):
        module.on_fit_start()


def test_bf16_learns_nearly_the_same() -> None:
    torch.manual_seed(3)
    exact, rounded = Pair(), Pair()
    rounded.load_state_dict(exact.state_dict())
    fitted(exact)
    fitted(rounded, precision="bf16-mixed")
    for a, b in zip(exact.parameters(), rounded.parameters(), strict=True):
        assert b.dtype == torch.float32
        torch.testing.assert_close(a, b, rtol=0.1, atol=0.02)


def test_what_is_dropped_depends_on_epoch_and_batch_alone() -> None:
    def draws(*epochs: int) -> list[float]:
        pl.seed_everything(5, verbose=False)
        module, found = Pair(), []
        module._trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
        module.on_fit_start()
        for epoch in epochs:
            module._trainer.fit_loop.epoch_progress.current.completed = epoch
            module._trainer.fit_loop.epoch_progress.current.processed = epoch
            torch.rand(epoch)  # what others drew
            module.on_train_batch_start({}, 3)
            found.append(float(torch.rand(())))
        return found

    uncut = draws(0, 1, 2)
    assert len(set(uncut)) == 3
    assert draws(2) == uncut[2:]


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(x)
        return found


@pytest.mark.parametrize("statistics", ["tile", "running"])
def test_norms_of_evaluation_are_as_asked_and_follow_the_weights(statistics: Any) -> None:
    module = Pair(statistics=statistics)
    module.network = Normed()
    seen = torch.rand(2, 3, 8, 8)
    for _ in range(2):  # after a change of weights too
        with torch.no_grad():
            module.network.layers[0].weight.mul_(1.5)
        module.eval()
        found = module.generators(seen)
        if statistics == "running":
            torch.testing.assert_close(found, deepcopy(module.network).eval()(seen))
        else:  # each tile as training alone with it would see it
            alone = deepcopy(module.network).train()
            torch.testing.assert_close(found, torch.cat([alone(seen[:1]), alone(seen[1:])]))
        module.train()
        assert module.generators is module.network
    assert not any("by_tile" in name for name in module.state_dict())


def test_a_tile_that_cannot_be_halved_is_refused() -> None:
    part = nn.Conv2d(1, 1, 1)
    part.multiple = 512  # type: ignore[assignment]
    with pytest.raises(ValueError, match="Conv2d takes multiples of 512 px"):
        check_tile(nn.Sequential(part), 256)
    check_tile(nn.Sequential(part), 1024)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"inputs": []}, "expected one or more stains"),
        ({"statistics": "batch"}, "choose one of"),
        ({"normalise": lambda image: image}, "changes images and not stains"),
    ],
)
def test_what_cannot_be_trained_is_refused(facts: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Pair(**facts)


def test_gray_stains_are_seen_in_three_channels() -> None:
    batch: Any = {"stains": {"ihc": torch.rand(1, 1, 10, 10), "dapi": torch.rand(1, 1, 10, 10)}}
    module = Pair()
    assert module.picture(batch).shape == (1, 3, 10, 10)
    assert module.targets(batch)["dapi"].shape == (1, 3, 8, 8)
    tiles: Any = {"image": torch.rand(2, 3, 8, 8)}
    assert module.picture(tiles) is tiles["image"]
    with pytest.raises(ContractError, match="translates ihc, marker together, 6 channels"):
        Pair(inputs=["ihc", "marker"]).picture(tiles)


def test_levels_survive_the_range_of_networks() -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16).expand(3, -1, -1)
    seen = signed(levels.float() / 255)
    assert (seen.min(), seen.max()) == (-1, 1)
    assert (to_uint8(unsigned(seen)) == levels.permute(1, 2, 0).numpy()).all()
