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
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from _cases import report, seconds
from _plain import with_torchs_layers
from hydra import compose, initialize_config_dir
from torch import Tensor, nn

from histoseg.cli.conf import CONF
from histoseg.engine import checkpoint
from histoseg.engine.memory import keep_freed_memory
from histoseg.modules import DeepLIIF

GOAL = 1.5
TILES, SIDE = 1, 512
TOLERANCE = 1e-4
SHARES = {"training": "shares of training", "published_v1_2": "published shares"}


def main() -> None:
    width = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    if len(sys.argv) == 4:
        measure(width, *sys.argv[2:])
        return
    with tempfile.TemporaryDirectory() as folder:
        for way in ("plain", *SHARES):
            command = [sys.executable, __file__, str(width), way, folder]
            environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
            subprocess.run(command, env=environment, check=True)
        plain, took = said(folder, "plain")
        for shares, name in SHARES.items():
            ours, our_time = said(folder, shares)
            segs = [plain[key] for key in plain if key.startswith("seg_")]
            weights = untrained(8, shares).network.seg_weights.values()
            expected = {**plain, "seg": sum(w * s for w, s in zip(weights, segs, strict=True))}
            far = max(float(np.abs(expected[key] - ours[key]).max()) for key in ours)
            if far > TOLERANCE:
                raise AssertionError(f"{name}: pictures differ by {far}")
            report(f"{name}, within {far:.0e}", took, our_time, "s a tile", goal=GOAL)


def said(folder: str, way: str) -> tuple[dict[str, np.ndarray], float]:
    maps = dict(np.load(Path(folder) / f"{way}.npz"))
    return maps, json.loads((Path(folder) / f"{way}.json").read_text())


def measure(width: int, way: str, folder: str) -> None:
    """Time one way, and write what it says."""
    module = untrained(width, "training" if way == "plain" else way)
    tiles = torch.rand(TILES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    maps: dict[str, Tensor] = {}

    def run() -> None:
        maps.update(plainly(module, tiles) if way == "plain" else module.tile_maps(tiles))

    with torch.inference_mode():
        if way != "plain":
            keep_freed_memory()
            module = module.to(memory_format=torch.channels_last)
        took = seconds(run, repeats=2)[0]  # the first warms up
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
    """As the original: torch's layers, no collected statistics, all networks, tile by tile."""
    network = module.network
    with_torchs_layers(network)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.track_running_stats = False
            norm.running_mean = norm.running_var = None
    made: dict[str, list[Tensor]] = defaultdict(list)
    for tile in (tiles * 2 - 1).split(1):
        pictures = {name: net(tile) for name, net in network.translators.items()}
        seen = {network.base: tile, **pictures}
        pictures |= {f"seg_{name}": net(seen[name]) for name, net in network.segmenters.items()}
        for name, picture in pictures.items():
            made[name].append((picture + 1) / 2)
    return {name: torch.cat(pictures) for name, pictures in made.items()}


if __name__ == "__main__":
    main()
