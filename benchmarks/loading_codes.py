"""Augmented samples from stacks of 16 planes, by loading codes, on two loader processes.

Samples are 400 x 400 px of three codes: a merge of three planes, the plane in focus and a random
one of three, cut from stacks of 16 x 512 x 512 px of 16 bits (uncompressed), with the shipped
augmentation. The baseline reads each stack whole and computes the codes from it; the augmentation
is the same.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from _cases import report
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from fakes import stacks
from histoseg.contracts import Array
from histoseg.data import Loading, TileDataModule
from histoseg.engine.memory import keep_freed_memory

CONF = Path(__file__).parents[1] / "conf"
STACKS, SIDE, REPEATS, EPOCHS, WORKERS = 16, 512, 6, 5, 2


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = stacks.write(Path(name), STACKS, SIDE, SIDE)
        keep_freed_memory()  # as training does
        whole = rates(folder, _WholeStacks)
        ours = rates(folder, None)
    report("loading codes, 3 x 400 px", whole[0], ours[0], "samples/s", goal="300")
    report("  per processor second", whole[1], ours[1], "samples/s", goal="150")


class _WholeStacks(Loading):
    def read(self, path: Path, rng: np.random.Generator | None = None) -> Array:
        every = tifffile.imread(path).astype(np.float32)
        every /= every.max(axis=(1, 2), keepdims=True).clip(min=1)
        assert rng is not None
        third = every[rng.integers(13, 16)]
        return np.stack([every[[0, 3, 6]].sum(axis=0) / 3, every[12], third], axis=-1)


def rates(folder: Path, kind: type[Loading] | None) -> tuple[float, float]:
    """Samples in a second of the clock and in one of the processor, after an epoch to start."""
    given = [
        f"data.dataset.root={folder}",
        f"data.num_workers={WORKERS}",
        "+seed=0",
        "+paths.data=.",
    ]
    given += ["data/loading=merge_and_brightfield", f"data.tiles_per_image={REPEATS}"]
    given += ["data.splits.train.split=null"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(overrides=["+data=loading_codes", *given])
    data: TileDataModule = instantiate(cfg.data, learns=["semantic"])  # as the pixel-shuffle U-Net
    if kind is not None:
        data.records("train").loading.__class__ = kind  # type: ignore[attr-defined]
    loader: Any = data.train_dataloader()
    for _ in loader:
        pass
    clock, before, samples = time.perf_counter(), processor(), 0
    for _ in range(EPOCHS):
        for batch in loader:
            samples += len(data.on_after_batch_transfer(batch, 0)["image"])
    return samples / (time.perf_counter() - clock), samples / (processor() - before)


def processor() -> float:
    """Processor seconds that this process and its living children have used."""
    total = time.process_time()
    for child in multiprocessing.active_children():
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


if __name__ == "__main__":
    main()
