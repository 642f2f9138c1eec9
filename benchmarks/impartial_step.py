"""A training step and stochastic passes of ImPartial on the CPU: plainly, and as histoseg does it.

The plain way is how the original is written: weights as torch makes them, torch's own dropout, a
loop over classes, channels and components in the losses, blind spots drawn channel by channel by
NumPy, and a pass at a time. Ours has weights in channels_last, the default of ``train.py``, dropout
by bytes, losses without loops, blind spots on the device, and passes that share what no dropout
reaches. Equal numbers: the loss of a step without dropout, and of passes that drop alike, agree to
1e-5. Processor time; each way keeps freed memory.

At width 64 nearly all of a training step are products of convolutions, which both ways leave to
the same library: there is little to gain on a processor.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from _cases import report, seconds
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam

from histoseg.engine.memory import keep_freed_memory
from histoseg.losses import ImPartialLoss, MixtureLayout, MixtureTask
from histoseg.networks import ImPartial
from histoseg.networks.blocks.dropout import random_keep
from histoseg.targets import blind_spots

TRAINING, PASSES, TOLERANCE = 1.5, 2.0, 1e-5
COUNT = 10
TASKS = (MixtureTask((2, 2), (0,), weight=0.5), MixtureTask((1, 1, 2), (1,), weight=0.5))
LAYOUT = MixtureLayout(TASKS)
WEIGHTS = {"foreground": 0.45, "background": 0.45, "reconstruction": 0.1}
OURS = ImPartialLoss(LAYOUT, WEIGHTS)


def main() -> None:
    keep_freed_memory()
    torch.manual_seed(0)
    for width, side, batch in ((16, 128, 8), (64, 128, 4)):
        training(width, side, batch)
    for width, side in ((16, 400), (64, 256)):
        passes(width, side)


def training(width: int, side: int, batch: int) -> None:
    image = torch.rand(batch, 2, side, side)
    scribbles = torch.rand(batch, 5, side, side) < 0.01
    plain, ours = networks(width)
    steps = [Adam(network.parameters(), lr=5e-4) for network in (plain, ours)]

    def plainly() -> None:
        seen, blind = blinded(image)
        steps[0].zero_grad()
        by_classes(forward(plain, seen, plain_dropout), image, scribbles, blind).backward()
        steps[0].step()

    def as_ours() -> None:
        seen, blind = blind_spots(image)
        steps[1].zero_grad()
        OURS(ours(seen), image, scribbles, blind)["loss"].backward()
        steps[1].step()

    _, blind = blinded(image)
    expected = by_classes(forward(plain, image), image, scribbles, blind)
    got = OURS(ours.eval()(image), image, scribbles, blind)["loss"]
    agree(got, expected)
    ours.train()
    report(f"training step, width {width}", *seconds(plainly, as_ours), "s", goal=TRAINING)


@torch.no_grad()
def passes(width: int, side: int) -> None:
    image = torch.rand(1, 2, side, side)
    plain, ours = (network.eval() for network in networks(width))

    def plainly() -> Tensor:
        raws = [forward(plain, image, plain_dropout) for _ in range(COUNT)]
        return torch.stack(raws)

    def as_ours() -> Tensor:
        return torch.cat(list(ours.samples(image, COUNT, at_once=4)))

    agree(as_ours(), torch.stack([forward(plain, image, alike(n)) for n in range(COUNT)]))
    name = f"{COUNT} passes, width {width}, {side} px"
    report(name, *seconds(plainly, as_ours, repeats=3), "s", goal=PASSES)


def networks(width: int) -> tuple[ImPartial, ImPartial]:
    plain, ours = ImPartial(2, LAYOUT.outputs, width), ImPartial(2, LAYOUT.outputs, width)
    ours.load_state_dict(plain.state_dict())
    return plain, ours.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def plain_dropout(x: Tensor) -> Tensor:
    return functional.dropout(x, 0.5)


def alike(number: int) -> Any:
    """Dropout of one of our passes."""
    generator = torch.Generator().manual_seed(number)

    def drop(x: Tensor) -> Tensor:
        return x * random_keep((1, *x.shape[1:]), 0.5, x.device, [generator])[0] * 2

    return drop


def forward(network: ImPartial, image: Tensor, drop: Any = None) -> Tensor:
    """The network layer by layer, as the original calls it."""

    def double(block: Any, x: Tensor, drop: Any = drop) -> Tensor:
        for unit in (block.first, block.second):
            x = functional.conv2d(x, unit.conv.weight, unit.conv.bias, padding=1)
            x = functional.relu(x if drop is None else drop(x), inplace=True)
        return x

    x, skips = double(network.stem, image, None), []
    for down in network.down:
        skips.append(x)
        x = double(down, functional.max_pool2d(x, 2))
    for up in network.up:
        x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        x = double(up, torch.cat([skips.pop(), x], dim=1))
    head: nn.Conv2d = network.head
    return head(x)  # type: ignore[no-any-return]


def blinded(image: Tensor) -> tuple[Tensor, Tensor]:
    """Blind spots of each channel of each image by NumPy."""
    values, rng = image.numpy(), np.random.default_rng(0)
    seen, blind = values.copy(), np.zeros(values.shape, bool)
    height, width = values.shape[2:]
    count = int(height * width * 0.05)
    for b in range(values.shape[0]):
        for c in range(values.shape[1]):
            y, x = rng.integers(0, height, count), rng.integers(0, width, count)
            down, right = rng.integers(-5, 5, (2, count))
            seen[b, c, y, x] = values[b, c, (y + down) % height, (x + right) % width]
            blind[b, c, y, x] = True
    return torch.from_numpy(seen), torch.from_numpy(blind)


def by_classes(raw: Tensor, image: Tensor, scribbles: Tensor, blind: Tensor) -> Tensor:
    """The objective, gaussian, class by class and component by component."""
    total, place, plane = raw.new_zeros(()), 0, 0
    for task in TASKS:
        share = raw[:, place : place + task.total].softmax(1)
        place += task.total
        first = 0
        for k, count in enumerate(task.components):
            probability = share[:, first : first + count].sum(1)
            first += count
            drawn = scribbles[:, plane].float()
            plane += 1
            pixels = drawn.sum((1, 2))
            cost = -(probability.clamp(min=1e-20).log() * drawn).sum((1, 2)) / pixels.clamp(min=1)
            weight = 1.0 if k == task.classes else 1 / task.classes
            cost = cost.sum() / pixels.clamp(max=1).sum().clamp(min=1)
            total = total + 0.45 * task.weight * weight * cost
        for channel in task.channels:
            mixed = torch.zeros_like(image[:, channel])
            for k in range(task.total):
                own = share[:, k]
                value = (raw[:, place + k] * own).sum((1, 2)) / own.sum((1, 2))
                mixed = mixed + own * value[:, None, None]
            place += task.total
            cost = (image[:, channel] - mixed) ** 2 / 2 + math.log(2 * math.pi) / 2
            spots = blind[:, channel].float()
            cost = ((cost * spots).sum((1, 2)) / spots.sum((1, 2)).clamp(min=1)).mean()
            total = total + 0.1 * task.weight * cost / len(task.channels)
    return total


def agree(got: Tensor, expected: Tensor) -> None:
    difference = float(((got - expected).abs().max() / expected.abs().max()).detach())
    assert difference <= TOLERANCE, f"differ by {difference}"


if __name__ == "__main__":
    main()
