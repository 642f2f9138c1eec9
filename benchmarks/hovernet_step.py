"""HoVer-Net of published size on the CPU: as the original computes it, and as histoseg does.

The plain way has its weights as torch makes them, upsamples by a product with ones (and the bottom
anew for each branch) and gives freed memory back. Ours has weights in channels_last, copies the
nearest pixel and keeps freed memory; where the processor multiplies bfloat16, the same once more
under autocast, as ``trainer.precision=bf16-mixed`` has it. The allocator is of the whole process,
so each way runs in a process of its own. Processor time, which a busy machine disturbs less;
threads that wait sleep instead of spinning.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from _cases import report, seconds

from histoseg.engine.memory import keep_freed_memory
from histoseg.networks import HoVerNet, hovernet

GOALS = {"forward": 2.5, "training step": 1.6}
HALF_GOAL = 4.0
TILES = {"forward": 4, "training step": 2}
TOLERANCE = {"ours": 1e-4, "bfloat16": 0.1}  # of the largest value


def main() -> None:
    if len(sys.argv) == 3:
        measure(sys.argv[1], Path(sys.argv[2]))
        return
    ways = ["plain", "ours", *(["bfloat16"] if multiplies_bfloat16() else [])]
    with tempfile.TemporaryDirectory() as folder:
        for way in ways:
            command = [sys.executable, __file__, way, folder]
            environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
            environment["OMP_NUM_THREADS"] = str(os.cpu_count())
            subprocess.run(command, env=environment, check=True)
        facts = {way: json.loads((Path(folder) / f"{way}.json").read_text()) for way in ways}
        maps = {way: dict(np.load(Path(folder) / f"{way}.npz")) for way in ways}
    plain = facts["plain"]
    for way in ways[1:]:
        check_equal(maps["plain"], maps[way], TOLERANCE[way])
        for case, goal in GOALS.items():
            name = f"hovernet {case}{', bfloat16' if way == 'bfloat16' else ''}"
            wanted = goal if way == "ours" else HALF_GOAL
            if way == "ours" or case == "forward":
                report(name, plain[case], facts[way][case], "s a tile", goal=wanted)
    report("hovernet peak memory", plain["peak"], facts["ours"]["peak"], "MiB", goal=0.9)


def multiplies_bfloat16() -> bool:
    flags = Path("/proc/cpuinfo")
    return flags.exists() and any(f in flags.read_text() for f in ("avx512_bf16", "amx_bf16"))


def check_equal(
    plain: dict[str, np.ndarray], ours: dict[str, np.ndarray], tolerance: float
) -> None:
    for name, expected in plain.items():
        difference = np.abs(expected - ours[name]).max()
        assert difference <= tolerance * np.abs(expected).max(), f"{name} differs by {difference}"


def by_product(x: torch.Tensor) -> torch.Tensor:
    """Upsample as the original does: every pixel times a 2 x 2 matrix of ones."""
    ones = x.new_ones(2, 2)
    batch, channels, height, width = x.shape
    product = torch.tensordot(x.unsqueeze(-1), ones.unsqueeze(0), dims=1)
    return product.permute(0, 1, 2, 4, 3, 5).reshape(batch, channels, 2 * height, 2 * width)


def each_branch(network: HoVerNet, image: torch.Tensor) -> dict[str, torch.Tensor]:
    """Forward of the original, whose branches upsample the bottom anew."""
    d0, d1, d2, deepest = network.encoder(image)
    bottom = network.conv_bot(deepest)
    return {
        name: decoder(by_product(bottom) + d2, d1, d0) for name, decoder in network.decoder.items()
    }


def measure(way: str, folder: Path) -> None:
    layout = torch.contiguous_format
    if way == "plain":
        hovernet._double = by_product
    else:
        layout = torch.channels_last
        keep_freed_memory()
    torch.manual_seed(0)
    network = HoVerNet(classes=5).to(memory_format=layout)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)
    tiles = torch.rand(4, 3, 256, 256).to(memory_format=layout)
    losses = []

    def run(image: torch.Tensor) -> dict[str, torch.Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=way == "bfloat16"):
            return each_branch(network, image) if way == "plain" else network(image)

    def forward() -> dict[str, torch.Tensor]:
        with torch.inference_mode():
            return run(tiles[: TILES["forward"]])

    def step() -> None:
        maps = run(tiles[: TILES["training step"]])
        loss = torch.stack([(m.float() - 0.5).square().mean() for m in maps.values()]).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())

    network.eval()
    maps = {name: m.float().numpy() for name, m in forward().items()}
    (forward_s,) = seconds(forward, repeats=2)
    network.train()
    step()
    (step_s,) = seconds(step, repeats=1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    np.savez(folder / f"{way}.npz", loss=losses[0], **maps)
    times = {"forward": forward_s, "training step": step_s}
    facts = {case: value / TILES[case] for case, value in times.items()} | {"peak": peak}
    (folder / f"{way}.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
