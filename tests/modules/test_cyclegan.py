"""CycleGAN: sizes and losses of the original, steps of either side, its settings."""

import logging
from copy import deepcopy
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from torch import Tensor, nn
from torch.utils.data import DataLoader

from conftest import Compose
from histoseg.modules import CycleGAN

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")
A, B = "ihc", "hematoxylin"
SIDE = 32
RATE = 1e-3  # float noise grows with the rate


def build(composed: Compose, *more: str) -> CycleGAN:
    cfg = composed("train", "model=cyclegan", "data=synthetic_stains", *more, tiny="cyclegan")
    module = instantiate(cfg.model)
    assert isinstance(module, CycleGAN)
    return module


def pictures(count: int, seed: int = 1) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {name: torch.rand(count, 3, SIDE, SIDE, generator=draw) for name in (A, B)}


@pytest.fixture
def batch() -> Any:
    return {"stains": pictures(2)}


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("blocks", "size"), [(9, 11_378_179), (6, 7_837_699)])
def test_the_networks_have_the_sizes_of_the_original(
    blocks: int, size: int, composed: Compose
) -> None:
    args = ["data=synthetic_stains", f"model.network.translator.blocks={blocks}"]
    cfg = composed("train", "model=cyclegan", *args)
    with torch.device("meta"):
        module = instantiate(cfg.model)
    assert [count(part) for part in module.network.children()] == [size] * 2
    assert [count(part) for part in module.discriminators.values()] == [2_764_737] * 2
    assert module.tile == 256
    assert module.discriminators["a"](torch.empty(1, 3, 256, 256, device="meta")).shape[-1] == 30


class Constant(nn.Module):
    """Answers with one number, whatever it sees."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, seen: Tensor) -> Tensor:
        return self.value.expand_as(seen)


@pytest.mark.parametrize(
    ("settings", "factor"),
    [
        ([], 5.0),
        (["model.identity_mode=absolute"], 0.5),
        (["model.identity=0"], 0.0),
    ],
)
def test_losses_of_constants(settings: list[str], factor: float, composed: Compose) -> None:
    module = build(composed, *settings)
    module.network.a_to_b, module.network.b_to_a = Constant(0.25), Constant(-0.5)
    module.discriminators = nn.ModuleDict({"a": Constant(0.5), "b": Constant(0.75)})
    real: Any = {
        "stains": {A: torch.full((1, 3, SIDE, SIDE), 0.5), B: torch.ones(1, 1, SIDE, SIDE)}
    }
    outputs = module(real)
    found = {name: float(value.detach()) for name, value in module.losses(real, outputs).items()}
    # real a is 0, real b is 1
    assert found["gan_" + A] == pytest.approx(0.25)
    assert found["gan_" + B] == pytest.approx(0.0625)
    assert found["cycle_" + A] == pytest.approx(0.5)
    assert found["cycle_" + B] == pytest.approx(0.75)
    assert found["cycle"] == pytest.approx(12.5)
    expected = 0.3125 + 12.5
    if factor:
        assert found["identity_" + A] == pytest.approx(0.5)
        assert found["identity_" + B] == pytest.approx(0.75)
        expected += factor * 1.25
    else:
        assert not any("identity" in name for name in found)
    assert found["loss"] == pytest.approx(expected)
    judged = {n: float(v.detach()) for n, v in module.discriminator_losses(real, outputs).items()}
    assert judged[A] == pytest.approx(0.5 * (0.25 + 0.25))
    assert judged[B] == pytest.approx(0.5 * (0.0625 + 0.5625))
    assert judged["loss"] == pytest.approx(judged[A] + judged[B])


@pytest.mark.parametrize(("norm", "apart"), [("instance", False), ("batch", True)])
def test_joined_calls_give_the_numbers_of_single_ones(
    norm: str, apart: bool, composed: Compose, batch: Any
) -> None:
    norms = [f"model.network.translator.norm={norm}", f"model.discriminator.norm={norm}"]
    module = build(composed, *norms)
    assert module.apart is apart
    outputs = module(batch)
    a, b = (2 * batch["stains"][name] - 1 for name in (A, B))
    to_b, to_a = deepcopy(module.network.a_to_b), deepcopy(module.network.b_to_a)
    plain = {"made_b": to_b(a), "made_a": to_a(b), "same_b": to_b(b), "same_a": to_a(a)}
    plain |= {"again_a": to_a(plain["made_b"]), "again_b": to_b(plain["made_a"])}
    for name, picture in plain.items():
        torch.testing.assert_close(outputs[name], picture, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("identity", [0.5, 0.0])
def test_each_generator_is_run_as_often_as_needed(
    identity: float, composed: Compose, batch: Any
) -> None:
    module = build(composed, f"model.identity={identity}")
    seen: list[int] = []
    for part in module.network.children():
        part.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    module.losses(batch, module(batch))
    assert sorted(seen) == ([2, 2, 4, 4] if identity else [2, 2, 2, 2])


def gradients(module: nn.Module) -> list[Tensor]:
    return [p.grad for p in module.parameters() if p.grad is not None]


def trainer(**settings: Any) -> pl.Trainer:
    options = {"max_epochs": 1, "num_sanity_val_steps": 0} | settings
    return pl.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, log_every_n_steps=1,
        enable_progress_bar=False, enable_model_summary=False, **options,
    )  # fmt: skip


def loader(length: int = 3) -> "DataLoader[Any]":
    own = pictures(length, seed=7)
    samples = [{"stains": {name: p[i] for name, p in own.items()}} for i in range(length)]
    return DataLoader(samples, batch_size=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("still", ["generators", "discriminators"])
def test_a_step_of_one_side_leaves_the_other_as_it_is(still: str, composed: Compose) -> None:
    module = build(composed)
    sides = {"generators": module.network, "discriminators": module.discriminators}
    (moving,) = (side for name, side in sides.items() if name != still)
    before = deepcopy(module.state_dict())
    recipe = module.optimizer_recipe
    stopped = {id(p) for p in sides[still].parameters()}

    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        made = recipe(parameters)
        if id(made.param_groups[0]["params"][0]) in stopped:
            made.param_groups[0]["lr"] = 0.0
        return made

    module.optimizer_recipe = optimizer
    trainer().fit(module, loader(), loader(1))
    after = module.state_dict()
    own = "network." if still == "generators" else "discriminators."
    assert all(torch.equal(v, after[k]) for k, v in before.items() if k.startswith(own))
    assert any(p.numel() and not torch.equal(p, v) for p, v in _moved(moving, before, still))


def _moved(moving: nn.Module, before: dict[str, Tensor], still: str) -> list[tuple[Tensor, Tensor]]:
    prefix = "discriminators." if still == "generators" else "network."
    return [(p, before[prefix + name]) for name, p in moving.named_parameters()]


def test_gradients_stay_on_their_side(composed: Compose, batch: Any) -> None:
    module = build(composed)
    module.discriminator_losses(batch, module(batch))["loss"].backward()
    assert not gradients(module.network)
    assert len(gradients(module.discriminators)) == len(list(module.discriminators.parameters()))


@pytest.mark.parametrize(
    ("gan", "pool", "order"),
    list(product(["lsgan", "vanilla"], [0, 2], ["g_first", "d_first"])),
)
def test_an_epoch_is_the_official_steps_written_out(
    gan: str, pool: int, order: str, composed: Compose
) -> None:
    sides = ["generators", "discriminators"]
    names = sides if order == "g_first" else sides[::-1]
    module = build(
        composed, f"model.gan={gan}", f"model.pool={pool}", f"model.order={names}".replace("'", ""),
        "model.optimizer._target_=torch.optim.SGD", "~model.optimizer.betas",
        f"model.optimizer.lr={RATE}",
    )  # fmt: skip
    plain = Plain(deepcopy(module), gan, pool)
    pl.seed_everything(4, verbose=False)
    trainer().fit(module, loader(4), loader(1))
    for i, sample in enumerate(loader(4)):
        draws = np.random.SeedSequence([4, 0, i, 0])  # seed, epoch, batch, rank
        torch.manual_seed(int(draws.generate_state(1)[0]))
        plain.step(sample, names)
    for ours, theirs in zip(module.parameters(), plain.module.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


class Plain:
    """The official order: separate forwards, two backward passes of the discriminators."""

    def __init__(self, module: CycleGAN, gan: str, pool: int) -> None:
        self.module, self.gan = module, gan
        self.rate = RATE
        self.pools: dict[str, list[Tensor]] = {"a": [], "b": []}
        self.size = pool

    def cost(self, answers: Tensor, target: float) -> Tensor:
        goal = torch.full_like(answers, target)
        if self.gan == "vanilla":
            return nn.functional.binary_cross_entropy_with_logits(answers, goal)
        return ((answers - goal) ** 2).mean()

    def pooled(self, name: str, made: Tensor) -> Tensor:
        pool, made = self.pools[name], made.detach()
        if not self.size:
            return made
        if len(pool) < self.size:
            pool.append(made)
            return made
        if torch.rand(()) < 0.5:
            place = int(torch.randint(self.size, ()))
            old, pool[place] = pool[place], made
            return old
        return made

    def descend(self, loss: Tensor, parts: list[nn.Module]) -> None:
        parameters = [p for part in parts for p in part.parameters()]
        for p, grad in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            p.data.sub_(self.rate * grad)

    def step(self, sample: Any, order: list[str]) -> None:
        to_b, to_a = self.module.network.a_to_b, self.module.network.b_to_a
        critics = self.module.discriminators
        real_a, real_b = (2 * sample["stains"][name] - 1 for name in (A, B))
        fake_b, fake_a = to_b(real_a), to_a(real_b)
        for side in order:
            if side == "discriminators":
                for name, real, fake in (("a", real_a, fake_a), ("b", real_b, fake_b)):
                    pool = self.pooled(name, fake)
                    answers = critics[name](real), critics[name](pool)
                    loss = 0.5 * (self.cost(answers[0], 1.0) + self.cost(answers[1], 0.0))
                    self.descend(loss, [critics[name]])
            else:
                loss = self.cost(critics["b"](fake_b), 1.0) + self.cost(critics["a"](fake_a), 1.0)
                loss = loss + 10 * (to_a(fake_b) - real_a).abs().mean()
                loss = loss + 10 * (to_b(fake_a) - real_b).abs().mean()
                loss = loss + 5 * (to_b(real_b) - real_b).abs().mean()
                loss = loss + 5 * (to_a(real_a) - real_a).abs().mean()
                self.descend(loss, [to_b, to_a])


def test_rates_of_the_200_epochs(composed: Compose) -> None:
    module = build(composed)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = module.scheduler_recipe(optimizer)
    rates = [0.0]  # counted from 1
    for _ in range(200):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[1] == rates[100] == 1
    assert rates[101] == pytest.approx(1 - 1 / 101)
    assert rates[200] == pytest.approx(1 / 101)


@pytest.mark.parametrize(("direction", "made", "way"), [("a_to_b", B, 0), ("b_to_a", A, 1)])
def test_prediction_goes_one_way_and_validation_both(
    direction: str, made: str, way: int, composed: Compose, batch: Any
) -> None:
    module = build(composed, f"model.direction={direction}").eval()
    tiles = torch.rand(1, 3, SIDE, SIDE)
    part = list(module.network.children())[way]
    maps = module.tile_maps(tiles)
    torch.testing.assert_close(maps, {made: (part(2 * tiles - 1) + 1) / 2})
    assert module.decoder.stains == module.outputs == (made,)
    assert set(module.decode(module.maps(module(batch)))["pred_stains"]) == {A, B}
    assert module.picture(batch) is not None
    seen = {A, B} - {made}
    torch.testing.assert_close(module.picture(batch), batch["stains"][seen.pop()])


def test_a_panel_shows_each_cycle_and_the_identity(composed: Compose, batch: Any) -> None:
    module = build(composed).eval()
    module._trainer = trainer()
    shown = module._pictures(batch, module(batch))
    assert list(shown) == [
        "ihc", "ihc to hematoxylin", "ihc and back", "ihc to ihc",
        "hematoxylin", "hematoxylin to ihc", "hematoxylin and back", "hematoxylin to hematoxylin",
    ]  # fmt: skip
    torch.testing.assert_close(shown["ihc"], batch["stains"][A])
    two = build(composed, "model.identity=0")
    assert len(two._pictures(batch, two(batch))) == 6


def test_tests_go_the_ways_that_are_scored(composed: Compose, batch: Any) -> None:
    for scored in ([A, B], [B], [A]):
        module = build(composed, f"model.scored=[{','.join(scored)}]").eval()
        assert module.test_scores["drift"].stains == tuple(scored)
        assert set(module.test_step(batch, 0)["pred_stains"]) == set(scored)


def test_steps_of_bf16_are_near_those_of_float32(composed: Compose) -> None:
    exact = build(composed, "model.pool=1", "model.optimizer.lr=1e-4")
    rounded, start = deepcopy(exact), deepcopy(exact.state_dict())
    pl.seed_everything(4, verbose=False)
    trainer(accumulate_grad_batches=1).fit(exact, loader(), loader(1))
    pl.seed_everything(4, verbose=False)
    trainer(precision="bf16-mixed").fit(rounded, loader(), loader(1))
    assert {p.dtype for p in rounded.parameters()} == {torch.float32}
    ours, theirs = exact.state_dict(), rounded.state_dict()
    moved = torch.cat([(ours[k] - start[k]).flatten() for k in ours])
    also = torch.cat([(theirs[k] - start[k]).flatten() for k in ours])
    assert float(nn.functional.cosine_similarity(moved, also, dim=0)) > 0.7


def test_half_precision_costs_in_full(composed: Compose, batch: Any) -> None:
    module = build(composed)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = module(batch)
        terms = module.losses(batch, outputs) | module.discriminator_losses(batch, outputs)
    assert {value.dtype for value in terms.values()} == {torch.float32}


@pytest.mark.parametrize("upsampling", ["convtranspose", "resize_conv"])
def test_parts_are_frozen_by_name_and_counted(
    upsampling: str, composed: Compose, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        module = build(
            composed, "model.freeze_generators=[stem,down,'blocks:-1']",
            "model.freeze_discriminators=['layers:2']",
            f"model.network.translator.upsampling={upsampling}",
        )  # fmt: skip
    net = module.network.b_to_a
    frozen = {name.split(".")[0] for name, p in net.named_parameters() if not p.requires_grad}
    assert frozen == {"stem", "down", "blocks"}
    assert all(p.requires_grad for p in [*net.blocks[1].parameters(), *net.up.parameters()])
    assert not any(p.requires_grad for p in net.blocks[0].parameters())
    sides, _ = module.configure_optimizers()
    for side, parts in zip(sides, (module.network, module.discriminators), strict=True):
        given = {id(p) for group in side.param_groups for p in group["params"]}
        assert given == {id(p) for p in parts.parameters() if p.requires_grad}
    learning = sum(p.numel() for p in net.parameters() if p.requires_grad)
    assert f"generator b_to_a: {learning} of {count(net)} parameters learn" in caplog.text
    held = deepcopy(module.state_dict())
    trainer().fit(module, loader(), loader(1))
    changed = {k for k, v in module.state_dict().items() if not torch.equal(v, held[k])}
    assert not any(".stem." in key or "layers.1." in key for key in changed)
    assert any(".up." in key for key in changed)
    assert any("discriminators" in key and "head" in key for key in changed)
    assert {id(p) for p in net.parameters() if p.requires_grad} == {
        id(p) for p in [*net.blocks[1].parameters(), *net.up.parameters(), *net.head.parameters()]
    }


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("model.inputs=[ihc,dapi]", "one stain of each domain"),
        ("model.outputs=[dapi,marker]", "two different ones"),
        ("model.direction=back", "choose one of"),
        ("model.scored=[dapi]", "name one or both of"),
        ("model.identity_mode=none", "choose one of"),
        ("model.order=[generators]", "name each of"),
        ("model.pool=-1", "pool is -1"),
        ("model.tile=30", "multiples of 4"),
        ("model.freeze_generators=[middle]", "it has stem, down, blocks, up, head"),
        ("model.freeze_generators=['head:1']", "head is not a list"),
        ("model.freeze_generators=['blocks:x']", "a whole number"),
    ],
)
def test_settings_that_mean_nothing_are_refused(setting: str, why: str, composed: Compose) -> None:
    with pytest.raises(InstantiationException, match=why):
        build(composed, setting)


def test_a_sigmoid_and_logits_are_refused(composed: Compose) -> None:
    with pytest.raises(InstantiationException, match="takes logits"):
        build(composed, "model.gan=vanilla", "model.discriminator.sigmoid=true")


def test_a_checkpoint_keeps_the_pools(composed: Compose, tmp_path: Path) -> None:
    module = build(composed, "model.pool=2")
    fitted = trainer()
    fitted.fit(module, loader(), loader(1))
    fitted.save_checkpoint(tmp_path / "a.ckpt")
    stored = torch.load(tmp_path / "a.ckpt", weights_only=True)["pools"]
    assert [len(stored[0][name]) for name in "ab"] == [2, 2]
    again = build(composed, "model.pool=2")
    trainer(max_epochs=1).fit(
        again, loader(), loader(1), ckpt_path=tmp_path / "a.ckpt", weights_only=True
    )
    for name, pool in again.pools.items():
        assert all(map(torch.equal, pool.pictures, module.pools[name].pictures))
