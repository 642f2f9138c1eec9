"""State dicts with the names and shapes of TIAToolbox's HoVer-Net and HoVer-Net+, made of facts.

The facts: modules are called as in the official code ("conv0./", "preact_bna/bn", ...), the first
unit of a stage has no pre-activation, branches are tp, np, hv and, in HoVer-Net+, ls.
"""

import torch
from torch import Tensor

STAGES = ((3, 1), (4, 2), (6, 4), (3, 8))  # units, and width of the stage in base widths


class _Names(dict[str, Tensor]):
    """A state dict that grows layer by layer."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.width, self.kernel = width, kernel

    def conv(self, name: str, out: int, given: int, side: int = 1) -> None:
        self[f"{name}.weight"] = torch.randn(out, given, side, side)

    def norm(self, name: str, channels: int) -> None:
        self[f"{name}.weight"] = 1 + 0.1 * torch.randn(channels)
        self[f"{name}.bias"] = 0.1 * torch.randn(channels)
        self[f"{name}.running_mean"] = torch.randn(channels)
        self[f"{name}.running_var"] = 1 + torch.rand(channels)
        self[f"{name}.num_batches_tracked"] = torch.tensor(7)

    def stage(self, name: str, given: int, units: int, inner: int) -> int:
        out = 4 * inner
        for i in range(units):
            unit = f"{name}.units.{i}"
            if i:
                self.norm(f"{unit}.preact/bn", out)
            self.conv(f"{unit}.conv1", inner, out if i else given)
            self.norm(f"{unit}.conv1/bn", inner)
            self.conv(f"{unit}.conv2", inner, inner, 3)
            self.norm(f"{unit}.conv2/bn", inner)
            self.conv(f"{unit}.conv3", out, inner)
        self.conv(f"{name}.shortcut", out, given)
        self.norm(f"{name}.blk_bna.bn", out)
        return out

    def dense(self, name: str, given: int, start: int, units: int, out: int) -> None:
        self.conv(f"{name}.conva", start, given, self.kernel)
        for i in range(units):
            unit, running = f"{name}.dense.units.{i}", start + i * self.width // 2
            self.norm(f"{unit}.preact_bna/bn", running)
            self.conv(f"{unit}.conv1", 2 * self.width, running)
            self.norm(f"{unit}.conv1/bn", 2 * self.width)
            self.conv(f"{unit}.conv2", self.width // 2, self.width // 2, self.kernel)
        full = start + units * self.width // 2
        self.norm(f"{name}.dense.blk_bna.bn", full)
        self.conv(f"{name}.convf", out, full)

    def branch(self, name: str, out: int) -> None:
        w = self.width
        self.dense(f"{name}.u3", 16 * w, 4 * w, 8, 8 * w)
        self.dense(f"{name}.u2", 8 * w, 2 * w, 4, 4 * w)
        self.conv(f"{name}.u1.conva", w, 4 * w, self.kernel)
        self.norm(f"{name}.u0.bn", w)
        self.conv(f"{name}.u0.conv", out, w)
        self[f"{name}.u0.conv.bias"] = torch.randn(out)


def state(num_types: int | None, kernel: int, layers: int = 0, width: int = 8) -> dict[str, Tensor]:
    """Random weights; ``num_types`` counts the background, ``layers`` makes it HoVer-Net+."""
    made = _Names(width, kernel)
    made.conv("conv0./", width, 3, 7)
    made.norm("conv0.bn", width)
    given = width
    for stage, (units, times) in enumerate(STAGES):
        given = made.stage(f"d{stage}", given, units, times * width)
    made.conv("conv_bot", 16 * width, given)
    for branch, out in {"tp": num_types, "np": 2, "hv": 2, "ls": layers}.items():
        if out:
            made.branch(f"decoder.{branch}", out)
    return {**made, "upsample2x.unpool_mat": torch.ones(2, 2)}
