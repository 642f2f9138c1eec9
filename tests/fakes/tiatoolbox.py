"""State dicts with the names and shapes of TIAToolbox's HoVer-Net and HoVer-Net+, made of facts.

The facts: modules are called as in the official code ("conv0./", "preact_bna/bn", ...), the first
unit of a stage has no pre-activation, branches are tp, np, hv and, in HoVer-Net+, ls.
"""

import torch
from torch import Tensor

STAGES = ((3, 1), (4, 2), (6, 4), (3, 8))  # units, and width of the stage in base widths


def state(num_types: int | None, kernel: int, layers: int = 0, width: int = 8) -> dict[str, Tensor]:
    """Random weights; ``num_types`` counts the background, ``layers`` makes it HoVer-Net+."""
    made: dict[str, Tensor] = {}

    def conv(name: str, out: int, given: int, side: int = 1) -> None:
        made[f"{name}.weight"] = torch.randn(out, given, side, side)

    def norm(name: str, channels: int) -> None:
        made[f"{name}.weight"] = 1 + 0.1 * torch.randn(channels)
        made[f"{name}.bias"] = 0.1 * torch.randn(channels)
        made[f"{name}.running_mean"] = torch.randn(channels)
        made[f"{name}.running_var"] = 1 + torch.rand(channels)
        made[f"{name}.num_batches_tracked"] = torch.tensor(7)

    def dense(name: str, given: int, units: int) -> int:
        for i in range(units):
            norm(f"{name}.units.{i}.preact_bna/bn", given)
            conv(f"{name}.units.{i}.conv1", 2 * width, given)
            norm(f"{name}.units.{i}.conv1/bn", 2 * width)
            conv(f"{name}.units.{i}.conv2", width // 2, width // 2, kernel)
            given += width // 2
        norm(f"{name}.blk_bna.bn", given)
        return given

    conv("conv0./", width, 3, 7)
    norm("conv0.bn", width)
    given = width
    for stage, (units, times) in enumerate(STAGES):
        inner, out = times * width, 4 * times * width
        for i in range(units):
            name = f"d{stage}.units.{i}"
            if i:
                norm(f"{name}.preact/bn", out)
            conv(f"{name}.conv1", inner, out if i else given)
            norm(f"{name}.conv1/bn", inner)
            conv(f"{name}.conv2", inner, inner, 3)
            norm(f"{name}.conv2/bn", inner)
            conv(f"{name}.conv3", out, inner)
        conv(f"d{stage}.shortcut", out, given)
        norm(f"d{stage}.blk_bna.bn", out)
        given = out
    conv("conv_bot", 16 * width, 32 * width)
    heads = {"tp": num_types, "np": 2, "hv": 2, "ls": layers}
    for branch, out in heads.items():
        if not out:
            continue
        name = f"decoder.{branch}"
        conv(f"{name}.u3.conva", 4 * width, 16 * width, kernel)
        conv(f"{name}.u3.convf", 8 * width, dense(f"{name}.u3.dense", 4 * width, 8))
        conv(f"{name}.u2.conva", 2 * width, 8 * width, kernel)
        conv(f"{name}.u2.convf", 4 * width, dense(f"{name}.u2.dense", 2 * width, 4))
        conv(f"{name}.u1.conva", width, 4 * width, kernel)
        norm(f"{name}.u0.bn", width)
        conv(f"{name}.u0.conv", out, width)
        made[f"{name}.u0.conv.bias"] = torch.randn(out)
    return made | {"upsample2x.unpool_mat": torch.ones(2, 2)}
