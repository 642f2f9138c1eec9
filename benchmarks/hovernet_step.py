"""HoVer-Net of published size on the CPU: as torch runs it by itself, against as histoseg runs it.

Ours has its weights in channels_last and keeps freed memory. The allocator is of the whole
process, so each way runs in a process of its own. Processor time, which a busy machine disturbs
less; threads that wait sleep instead of spinning.
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
from histoseg.networks import HoVerNet

GOALS = {"forward": 1.25, "training step": 1.1}
WAYS = ("plain", "ours")
TOLERANCE = 1e-4  # of the largest value


def main() -> None:
    if len(sys.argv) == 3:
        measure(sys.argv[1], Path(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as folder:
        for way in WAYS:
            command = [sys.executable, __file__, way, folder]
            environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
            environment["OMP_NUM_THREADS"] = str(os.cpu_count())
            subprocess.run(command, env=environment, check=True)
        plain, ours = (json.loads((Path(folder) / f"{way}.json").read_text()) for way in WAYS)
        check_equal(*(dict(np.load(Path(folder) / f"{way}.npz")) for way in WAYS))
    for case, goal in GOALS.items():
        report(f"hovernet {case}, 256 px tile", plain[case], ours[case], "s", goal=goal)
    report("hovernet peak memory", plain["peak"], ours["peak"], "MiB", goal=0.9)


def check_equal(plain: dict[str, np.ndarray], ours: dict[str, np.ndarray]) -> None:
    for name, expected in plain.items():
        difference = np.abs(expected - ours[name]).max()
        assert difference <= TOLERANCE * np.abs(expected).max(), f"{name} differs by {difference}"


def measure(way: str, folder: Path) -> None:
    layout = torch.contiguous_format
    if way == "ours":
        layout = torch.channels_last
        keep_freed_memory()
    torch.manual_seed(0)
    network = HoVerNet(classes=5).to(memory_format=layout)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)
    tile = torch.rand(1, 3, 256, 256).to(memory_format=layout)
    losses = []

    def forward() -> dict[str, torch.Tensor]:
        with torch.inference_mode():
            return network(tile)

    def step() -> None:
        loss = torch.stack([(m - 0.5).square().mean() for m in network(tile).values()]).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())

    network.eval()
    maps = {name: m.numpy() for name, m in forward().items()}
    (forward_s,) = seconds(forward, repeats=2)
    network.train()
    (step_s,) = seconds(step, repeats=2)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    np.savez(folder / f"{way}.npz", loss=losses[0], **maps)
    facts = {"forward": forward_s, "training step": step_s, "peak": peak}
    (folder / f"{way}.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
