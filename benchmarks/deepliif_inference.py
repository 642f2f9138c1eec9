"""DeepLIIF's nine networks of published size on the CPU: as the original runs them, and as we do.

The plain way is the original's: one network after another, one tile at a time, tensors as torch
makes them, batch norms with the statistics of the tile, all nine also where a share is 0. Ours is
what `histoseg predict` runs. Both give pictures of every stain, which have to be equal. Each way
runs in a process of its own; processor time, which a busy machine disturbs less.

python benchmarks/deepliif_inference.py [<width>]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from _cases import report, seconds
from hydra import compose, initialize_config_dir
from torch import Tensor, nn

from histoseg.cli.conf import CONF
from histoseg.engine import checkpoint
from histoseg.engine.memory import keep_freed_memory
from histoseg.modules import DeepLIIF

GOAL = 1.5
TILES, SIDE = 2, 512
TOLERANCE = 1e-4
SHARES = {"training": "shares of training", "published_v1_2": "published shares"}


def main() -> None:
    width = int(sys.argv[1]) if len(sys.argv) in (2, 5) else 64
    if len(sys.argv) == 5:
        measure(width, *sys.argv[2:])
        return
    for shares, name in SHARES.items():
        with tempfile.TemporaryDirectory() as folder:
            for way in ("plain", "ours"):
                command = [sys.executable, __file__, str(width), shares, way, folder]
                environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
                subprocess.run(command, env=environment, check=True)
            facts = {w: json.loads((Path(folder) / f"{w}.json").read_text()) for w in SAID}
            maps = {w: dict(np.load(Path(folder) / f"{w}.npz")) for w in SAID}
        far = max(float(np.abs(maps["plain"][k] - maps["ours"][k]).max()) for k in maps["ours"])
        if far > TOLERANCE:
            raise AssertionError(f"{name}: pictures differ by {far}")
        label = f"deepliif {name}, equal within {far:.0e}"
        report(label, facts["plain"], facts["ours"], "s a tile", goal=GOAL)


SAID = ("plain", "ours")


def measure(width: int, shares: str, way: str, folder: str) -> None:
    """Time one way, and write what it says."""
    module = untrained(width, shares)
    tiles = torch.rand(TILES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        if way == "ours":
            keep_freed_memory()
            module = module.to(memory_format=torch.channels_last)
            run = lambda: module.tile_maps(tiles)  # noqa: E731
        else:
            run = lambda: plainly(module, tiles)  # noqa: E731
        maps = run()
        took = seconds(run, repeats=2)
    np.savez(Path(folder) / f"{way}.npz", **{k: m.numpy() for k, m in maps.items()})
    (Path(folder) / f"{way}.json").write_text(json.dumps(took / TILES))


def untrained(width: int, shares: str) -> DeepLIIF:
    torch.manual_seed(0)
    names = ("network.translator", "network.segmenter", "discriminator")
    narrow = [f"model.{name}.width={width}" for name in names]
    with initialize_config_dir(CONF, version_base="1.3"):
        more = ["data=synthetic_stains", f"model/seg_weights={shares}", "paths.run=.", *narrow]
        module = checkpoint.build(compose("train", ["model=deepliif", *more]))
    if not isinstance(module, DeepLIIF):
        raise TypeError(type(module).__name__)
    return module.eval()


def plainly(module: DeepLIIF, tiles: Tensor) -> dict[str, Tensor]:
    """As the original: norms without collected statistics, all networks, tile by tile."""
    network = module.network
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.track_running_stats = False
            norm.running_mean = norm.running_var = None
    said: dict[str, list[Tensor]] = {name: [] for name in module.outputs}
    for tile in (tiles * 2 - 1).split(1):
        made = {name: net(tile) for name, net in network.translators.items()}
        seen = {network.base: tile, **made}
        segs = {name: net(seen[name]) for name, net in network.segmenters.items()}
        made["seg"] = torch.stack([network.seg_weights[n] * s for n, s in segs.items()]).sum(0)
        for name, picture in made.items():
            said[name].append((picture + 1) / 2)
    return {name: torch.cat(pictures) for name, pictures in said.items()}


if __name__ == "__main__":
    main()
