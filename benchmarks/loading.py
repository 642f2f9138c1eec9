"""Augmented tiles from a replica of PanNuke, as a training gets them, on two loader processes.

The baseline reads the published float64 arrays and follows with an augmentation of the same kinds
and probabilities written down plainly, with scikit-image and floating-point pictures, one nucleus
after another where the warp may have torn them; the loader is the same. Ours reads what
``histoseg prepare data=pannuke`` makes of them, with the recommended augmentation, and with no more
than flips, crop, stain jitter and blur. Rates are of this moment, or per second of processor time
of all processes, which a busy machine changes less: two cores give twice that.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _cases import report
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from skimage import color, filters, measure, transform

from fakes import pannuke
from histoseg.contracts import Array, Record
from histoseg.data import PanNuke, TileDataModule
from histoseg.engine.memory import keep_freed_memory
from histoseg.prepare import Facts, TileArrays, convert
from histoseg.prepare import PanNuke as Raw

TILES, EPOCHS, WORKERS = 48, 12, 2
CONF = Path(__file__).parents[1] / "conf"


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pannuke.write(folder / "raw" / "pannuke", folds=(1,), images=TILES, size=256)
        prepare(folder / "raw" / "pannuke", folder / "pannuke")
        plain = data_module(folder / "raw")
        plain.augment = plainly  # type: ignore[assignment]
        slow = rates(plain, epochs=1)
        keep_freed_memory()  # as training does
        raw = rates(data_module(folder / "raw"), EPOCHS)
        whole = rates(data_module(folder), EPOCHS)
        few = rates(data_module(folder, few=True), EPOCHS)
    for what, fast in (("published arrays", raw), ("prepared", whole), ("prepared, few", few)):
        report(f"loading, {what}", slow[0], fast[0], "tiles/s", goal="400")
        report("  per processor second", slow[1], fast[1], "tiles/s", goal="200")
    growth, size = whole[2]
    report("  memory of the workers, growth", size, growth, "MiB", goal="16")


def prepare(raw: Path, out: Path) -> None:
    facts = Facts("pannuke", PanNuke.CLASSES, ((0, 0, 0),) * len(PanNuke.CLASSES))
    convert(list(Raw(folds=(1,)).items(raw)), store := TileArrays(out, facts))
    store.finish()


def data_module(folder: Path, *, few: bool = False) -> TileDataModule:
    """The configuration as shipped; or no more than flips, crop, stain jitter and blur."""
    given = [f"+paths.data={folder}", f"data.num_workers={WORKERS}", "+seed=0"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(overrides=["+data=pannuke", *given])
    if few:
        steps = cfg.data.augment.transforms
        steps.tile.p_warp, steps.colour = 0, None
        steps.sharpness.transforms = steps.sharpness.transforms[:1]
    module: TileDataModule = instantiate(cfg.data)
    return module


def rates(data: TileDataModule, epochs: int) -> tuple[float, float, tuple[float, float]]:
    """Tiles in a second of the clock and in one of the processor, after an epoch to get started.

    Also how much memory the workers gained after the first third, and what they have, MiB.
    """
    loader = data.train_dataloader()
    for _ in loader:
        pass
    clock, before = time.perf_counter(), processor()
    tiles, memory = 0, []
    for _ in range(epochs):
        for batch in loader:
            tiles += len(data.on_after_batch_transfer(batch, 0)["image"])
        memory.append(of_workers())
    clock, used = time.perf_counter() - clock, processor() - before
    gained = memory[-1] - memory[len(memory) // 3]
    return tiles / clock, tiles / used, (gained, memory[-1])


def of_workers() -> float:
    """Memory of their own that the child processes hold, MiB."""
    total = 0
    for child in multiprocessing.active_children():
        text = Path(f"/proc/{child.pid}/smaps_rollup").read_text()
        total += sum(int(kib) for kib in re.findall(r"Private_Dirty: +(\d+)", text))
    return total / 1024


def processor() -> float:
    """Processor seconds that this process and its living children have used."""
    total = time.process_time()
    for child in multiprocessing.active_children():
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def plainly(record: Record, seed: int) -> Record:
    rng = np.random.default_rng(seed)
    image = record["image"] / 255.0
    instances, semantic = record["instances"], record["semantic"]
    if rng.random() < 0.5:
        image, instances, semantic = warped(rng, image, instances, semantic)
    turns, mirrored = rng.integers(4), rng.random() < 0.5
    image, instances, semantic = (
        np.rot90(a[:, ::-1] if mirrored else a, turns) for a in (image, instances, semantic)
    )
    if rng.random() < 0.4:
        image = blurred_or_noisy(rng, image)
    if rng.random() < 0.5:
        hed = color.rgb2hed(image)
        image = color.hed2rgb(hed * rng.uniform(0.9, 1.1, 3) + rng.uniform(-0.05, 0.05, 3))
    if rng.random() < 0.5:
        image = recoloured(rng, image)
    return {
        **record,
        "image": (image.clip(0, 1) * 255).round().astype(np.uint8),
        "instances": whole_nuclei(instances),
        "semantic": np.ascontiguousarray(semantic),
    }


def warped(rng: np.random.Generator, image: Array, *maps: Array) -> list[Array]:
    middle = (np.array(image.shape[1::-1]) - 1) / 2
    change = transform.AffineTransform(
        scale=rng.uniform(0.8, 1.2, 2),
        shear=np.deg2rad(rng.uniform(-5, 5)),
        rotation=np.deg2rad(rng.uniform(-45, 45)),
    )
    there = transform.AffineTransform(translation=-middle)
    back = transform.AffineTransform(translation=middle)
    options: dict[str, Any] = {"mode": "reflect", "preserve_range": True}
    way = there + change + back
    nearest = [transform.warp(m, way, order=0, **options).astype(m.dtype) for m in maps]
    return [transform.warp(image, way, order=1, **options), *nearest]


def blurred_or_noisy(rng: np.random.Generator, image: Array) -> Array:
    kind = rng.integers(3)
    if kind == 0:
        return filters.gaussian(image, rng.uniform(0.3, 1.2), channel_axis=-1)
    if kind == 1:
        size = rng.choice([3, 5])
        return np.dstack(
            [filters.median(c, np.ones((size, size))) for c in image.transpose(2, 0, 1)]
        )
    return image + rng.normal(0, rng.uniform(0.01, 0.05), image.shape)


def recoloured(rng: np.random.Generator, image: Array) -> Array:
    image = image * rng.uniform(0.85, 1.15)
    mean = color.rgb2gray(image.clip(0, 1)).mean()
    hsv = color.rgb2hsv(((image - mean) * rng.uniform(0.85, 1.15) + mean).clip(0, 1))
    hsv[..., 0] = (hsv[..., 0] + rng.uniform(-0.04, 0.04)) % 1
    hsv[..., 1] = (hsv[..., 1] * rng.uniform(0.8, 1.2)).clip(0, 1)
    return color.hsv2rgb(hsv)


def whole_nuclei(instances: Array) -> Array:
    """Each connected part of a nucleus under an id of its own."""
    result = np.zeros_like(instances)
    for number in np.unique(instances[instances > 0]):
        parts = measure.label(instances == number, connectivity=1)
        for part in range(1, parts.max() + 1):
            result[parts == part] = number if part == 1 else max(result.max(), instances.max()) + 1
    return result


if __name__ == "__main__":
    main()
