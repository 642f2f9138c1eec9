"""A training step of CycleGAN on the CPU: in the plain official order, and as histoseg takes it.

The plain way runs each generator three times and each discriminator once for real, once for made
pictures, goes backward once for each discriminator, has torch's own layers, its weights as torch
makes them, and gives freed memory back. Ours joins what a network sees, goes backward once, has
layers of its own (`networks/blocks`) and keeps freed memory; once with weights as they are, once in
channels_last, the default of ``train.py``. Same weights and pictures, no pool; the losses of the
first step agree to 1e-5. The allocator is of the whole process, so each way runs in a process of
its own, in turns, and the best step of each counts. Processor time; threads that wait sleep instead
of spinning.

python benchmarks/cyclegan_step.py [small|published]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from _cases import report, seconds
from _plain import with_torchs_layers
from torch import Tensor, nn

from histoseg.engine.memory import keep_freed_memory
from histoseg.modules import CycleGAN, LinearDecay
from histoseg.modules.freezing import fixed
from histoseg.networks import CycleGAN as Network
from histoseg.networks import PatchGAN, ResnetGenerator

GOAL, TOLERANCE = 1.2, 1e-5
SIZES = {"small": (128, 32, 6), "published": (256, 64, 9)}  # tile, width, residual blocks
TURNS = {"small": 3, "published": 1}
WAYS = ("plain", "contiguous", "channels_last")
Losses = dict[str, float]


def main() -> None:
    size = sys.argv[1] if len(sys.argv) > 1 else "small"
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[2], *SIZES[size])))
        return
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    found: dict[str, dict[str, Any]] = {}
    for _ in range(TURNS[size]):
        for way in WAYS:
            command = [sys.executable, __file__, size, way]
            done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
            said = json.loads(done.stdout)
            said["step"] = min(said["step"], found.get(way, said)["step"])
            found[way] = said
    plain = found.pop("plain")
    for way, ours in found.items():
        for name, expected in plain["losses"].items():
            got = ours["losses"][name]
            assert abs(got - expected) <= TOLERANCE * abs(expected), f"{name}: {expected}, {got}"
        report(f"cyclegan step, {size}, {way}", plain["step"], ours["step"], "s", goal=GOAL)


def measure(way: str, side: int, width: int, blocks: int) -> dict[str, Any]:
    torch.manual_seed(0)
    module = model(side, width, blocks)
    batch = {"stains": {name: torch.rand(1, 3, side, side) for name in "ab"}}
    if way == "plain":
        with_torchs_layers(module)
    else:
        keep_freed_memory()
    if way == "channels_last":
        module = module.to(memory_format=torch.channels_last)
    sides = [torch.optim.Adam(p, 2e-4, (0.5, 0.999)) for p in parameters(module)]
    step: Callable[[], Losses] = partial(
        as_official if way == "plain" else as_histoseg, module, batch, sides
    )
    losses = step()
    (time,) = seconds(step, repeats=3)
    return {"losses": losses, "step": time}


def model(side: int, width: int, blocks: int) -> CycleGAN:
    translator = partial(
        ResnetGenerator, width=width, blocks=blocks, norm="instance", padding="reflect", dropout=0.0
    )
    return CycleGAN(
        partial(Network, translator), partial(PatchGAN, width=width, norm="instance"),
        inputs=["a"], outputs=["b"], pool=0, classes=(), colours=(), mpp=None, tile=side, margin=0,
        optimizer=torch.optim.Adam, scheduler=LinearDecay, metrics={}, monitor="val/cycle",
        mode="min",
    )  # fmt: skip


def parameters(module: CycleGAN) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    return list(module.network.parameters()), list(module.discriminators.parameters())


def as_histoseg(module: CycleGAN, batch: Any, sides: list[torch.optim.Optimizer]) -> Losses:
    """What `AdversarialModule.training_step` does, without a trainer."""
    outputs = module(batch)
    with fixed(module.discriminators):
        loss = module.losses(batch, outputs)["loss"]
        descend(sides[0], loss)
    judged = module.discriminator_losses(batch, outputs)["loss"]
    descend(sides[1], judged)
    return {"generators": loss.item(), "discriminators": judged.item()}


def as_official(module: CycleGAN, batch: Any, sides: list[torch.optim.Optimizer]) -> Losses:
    """The order of junyanz's code, each forward by itself."""
    real_a, real_b = (2 * batch["stains"][name] - 1 for name in "ab")
    to_b, to_a = module.network.a_to_b, module.network.b_to_a
    judge_a, judge_b = module.discriminators["a"], module.discriminators["b"]
    made_b, made_a = to_b(real_a), to_a(real_b)
    back_a, back_b = to_a(made_b), to_b(made_a)
    with fixed(module.discriminators):
        loss = 5 * (distance(to_b(real_b), real_b) + distance(to_a(real_a), real_a))
        loss = loss + square(judge_b(made_b), 1.0) + square(judge_a(made_a), 1.0)
        loss = loss + 10 * (distance(back_a, real_a) + distance(back_b, real_b))
        descend(sides[0], loss)
    judged = 0.0
    sides[1].zero_grad()
    for judge, real, made in ((judge_a, real_a, made_a), (judge_b, real_b, made_b)):
        cost = (square(judge(real), 1.0) + square(judge(made.detach()), 0.0)) / 2
        cost.backward()
        judged += cost.item()
    sides[1].step()
    return {"generators": loss.item(), "discriminators": judged}


def descend(side: torch.optim.Optimizer, loss: Tensor) -> None:
    side.zero_grad()
    loss.backward()
    side.step()


def distance(made: Tensor, real: Tensor) -> Tensor:
    return (made - real).abs().mean()


def square(answers: Tensor, target: float) -> Tensor:
    return (answers - target).square().mean()


if __name__ == "__main__":
    main()
