"""What a panel shows of a model that learns from scribbles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from histoseg.contracts import Maps, Sample, planes_of
from histoseg.ops.strokes import with_outlines, with_strokes


def pictures(
    tasks: Mapping[str, Sequence[str]], batch: Sample, shown: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Draw a batch: image, strokes, probabilities, uncertainty, outlines.

    Args:
        tasks: The classes of each task.
        batch: With or without ``scribbles``.
        shown: ``image`` (B, 3, H, W) in [0, 1], ``maps``, and label maps ``instances`` and
            ``pred_instances`` (B, H, W) where there are some.

    Returns:
        By title, (B, 1 or 3, H, W) in [0, 1].
    """
    image, maps, planes = shown["image"], shown["maps"], planes_of(tasks)
    drawn = {"image": image}
    for name, classes in tasks.items():
        of = f" {name}" if len(tasks) > 1 else ""
        if "scribbles" in batch:
            own = [plane.task == name for plane in planes]
            drawn[f"strokes{of}"] = with_strokes(image, batch["scribbles"][:, own])
        for k, kind in enumerate(classes):
            drawn[kind + of] = maps[name][:, k : k + 1]
        drawn[f"unsure{of}"] = uncertainty(maps, name)
    for title, key in (("truth", "instances"), ("found", "pred_instances")):
        if key in shown:
            drawn[title] = with_outlines(image, shown[key].to(image.device))
    return drawn


def binary_entropy(p: Tensor) -> Tensor:
    """Of a probability: 0 where it is sure, 0.69 at one half."""
    other = 1 - p
    return -p * p.clamp(min=1e-5).log() - other * other.clamp(min=1e-5).log()


def uncertainty(maps: Maps, task: str) -> Tensor:
    """How unsure a task is, (B, 1, H, W) in [0, 1]: by the spread of passes, else by entropy."""
    spread = maps.get(f"{task}_variance")
    unsure = maps[f"{task}_entropy"] / math.log(2) if spread is None else 2 * spread.sqrt()
    return unsure.amax(1, keepdim=True)
