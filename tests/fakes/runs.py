"""Run folders as a training leaves them, without a training."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from histoseg.writers import write_png

IMAGES = tuple(f"image_{i:02d}" for i in range(12))


def fake_run(
    folder: Path,
    pq: float,
    *,
    overrides: Sequence[str] = (),
    seed: int = 0,
    images: Sequence[str] = IMAGES,
    splits: Mapping[str, object] | None = None,
    done: bool = True,
) -> Path:
    """A run with three epochs whose test images score around ``pq``."""
    (folder / "fit" / "checkpoints").mkdir(parents=True)
    config = {
        "name": "hovernet-synthetic",
        "seed": seed,
        "model": {"_target_": "histoseg.modules.HoVerNet", "monitor": "val/pq", "mode": "max"},
        "data": {"dataset": {"_target_": "histoseg.data.Synthetic"}, "splits": splits or {}},
    }
    OmegaConf.save(OmegaConf.create(config), folder / "config.yaml")
    (folder / ".hydra").mkdir()
    typed = [*overrides, f"seed={seed}", f"hydra.run.dir={folder}"]
    OmegaConf.save(OmegaConf.create(typed), folder / ".hydra" / "overrides.yaml")
    (folder / "environment.json").write_text(json.dumps({"packages": {"torch": "2.15.0"}}))
    if done:
        content = {"epochs": 3, "score": pq, "best": "epoch_002.ckpt", "seconds": 83.0}
        (folder / "fit" / "done.json").write_text(json.dumps(content))
    rows = [["phase", "epoch", "step", "train/loss", "val/loss", "val/pq", "step/loss"]]
    rows += [["fit", "", 0, "", "", "", 9.0]]
    for epoch in range(3):
        rows += [["fit", epoch, epoch, 3 - epoch, "", "", ""]]
        rows += [["fit", epoch, epoch, "", 3.5 - epoch, pq * (epoch + 1) / 3, ""]]
    with (folder / "metrics.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    noise = np.random.default_rng([seed, len(overrides)]).normal(0, 0.01, len(images))
    scores = pq + np.linspace(-0.1, 0.1, len(images)) + noise
    (folder / "test").mkdir()
    with (folder / "test" / "images.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "tissue", "pq", "dice"])
        table.writerows([name, "", s, s + 0.1] for name, s in zip(images, scores, strict=True))
    means = {"test/pq": scores.mean(), "test/dice": scores.mean() + 0.1, "skipped": 0.0}
    (folder / "test" / "metrics.json").write_text(json.dumps(means))
    picture = np.full((8, 8, 3), 200, np.uint8)
    write_png(folder / "fit" / "panels" / "epoch_002.png", picture)
    write_png(folder / "test" / "worst" / "00_image_00.png", picture)
    return folder
