"""Scores of each test image, and pictures of the worst."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch.distributed as dist
from torch import Tensor
from typing_extensions import override

from histoseg.contracts import Array
from histoseg.metrics import PointScores
from histoseg.metrics.functional import image_scores
from histoseg.writers import dotted, outlined, panel, to_uint8, write_png

Row = dict[str, Any]


class PerImageScores(pl.Callback):
    """Write ``images.csv``, one row an image, and ``worst/``, truth beside prediction.

    Args:
        folder: Where they go.
        worst: Number of pictures, lowest panoptic quality first.
        rank_by: Column that says how good an image is.
    """

    def __init__(self, folder: Path, worst: int = 8, rank_by: str = "pq") -> None:
        self.folder, self.worst, self.rank_by = folder, worst, rank_by
        self.rows: list[Row] = []
        self.pictures: dict[str, Array] = {}
        self.summary: dict[str, float] = {}

    @override
    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        classes, colours = pl_module.classes, pl_module.colours
        size = len(outputs["image"])
        unnamed = [f"image-{batch_idx * size + i}" for i in range(size)]
        for i, name in enumerate(batch["place"].slide if "place" in batch else unnamed):
            maps = {k: _array(v, i) for k, v in outputs.items() if _is_label_map(k)}
            tissue = batch["tissue"][i] if "tissue" in batch else ""
            if "points" in outputs:
                scores = _point_scores(pl_module, outputs, i, maps)
            else:
                scores = image_scores(**maps, classes=classes)  # type: ignore[arg-type]
            self.rows.append({"image": name, "tissue": tissue, **scores})
            image = to_uint8(outputs["image"][i])
            sides = [
                outlined(image, maps[f"{p}instances"], maps.get(f"{p}semantic"), colours)  # type: ignore[arg-type]
                for p in ("", "pred_")
                if f"{p}instances" in maps
            ]
            if "points" in outputs:
                own = trainer.datamodule.colours  # type: ignore[attr-defined]
                sides = [dotted(image, _array(outputs["points"], i), own), *sides]
            self._keep_if_bad(name, self.rows[-1], sides)

    @override
    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        rows = _from_all_ranks(self.rows)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.summary = _tissue_means(rows)
        if trainer.is_global_zero:
            with (self.folder / "images.csv").open("w", newline="") as f:
                writer = csv.DictWriter(f, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        for place, row in enumerate(self._worst_first(rows)[: self.worst]):
            if row["image"] in self.pictures:
                name = f"{place:02d}_{row['image'].replace('/', '_')}.png"
                write_png(self.folder / "worst" / name, self.pictures[row["image"]])

    def _keep_if_bad(self, name: str, row: Row, sides: list[Array]) -> None:
        """Draw an image if it is among the worst so far, and forget the one it displaces."""
        worst = self._worst_first(self.rows)[: self.worst]
        if any(r is row for r in worst):
            titles = [f"truth: {name}", f"{self.rank_by} {row[self.rank_by]:.3f}"]
            self.pictures[name] = panel([sides], titles)
            kept = {r["image"] for r in worst}
            self.pictures = {k: v for k, v in self.pictures.items() if k in kept}

    def _worst_first(self, rows: list[Row]) -> list[Row]:
        scored = [row for row in rows if not np.isnan(row[self.rank_by])]
        return sorted(scored, key=lambda row: (row[self.rank_by], row["image"]))


def _point_scores(module: Any, outputs: Any, i: int, maps: dict[str, Array]) -> dict[str, float]:
    metric: PointScores = module.test_scores["points"]
    points, mpp = _array(outputs["points"], i), float(outputs["mpp"][i])
    counts = metric.count(points, mpp, maps["pred_instances"], maps["pred_semantic"])
    return metric.scores(counts)


def _is_label_map(key: str) -> bool:
    return key.removeprefix("pred_") in ("instances", "semantic")


def _array(maps: Tensor, i: int) -> Array:
    array: Array = maps[i].cpu().numpy()
    return array


def _from_all_ranks(rows: list[Row]) -> list[Row]:
    if not (dist.is_available() and dist.is_initialized()):
        return rows
    shards: list[list[Row]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(shards, rows)
    return sorted((row for shard in shards for row in shard), key=lambda row: str(row["image"]))


def _tissue_means(rows: list[Row]) -> dict[str, float]:
    """Means over tissues of means over images, PanNuke's convention, where tissues are known."""
    tissues = {row["tissue"] for row in rows} - {""}
    means = {}
    for key in ("mpq", "bpq"):
        if len(tissues) > 1 and key in rows[0]:
            groups = [[r[key] for r in rows if r["tissue"] == t] for t in sorted(tissues)]
            groups = [[v for v in group if not np.isnan(v)] for group in groups]
            means[f"test/{key}_tissue_mean"] = float(np.mean([np.mean(g) for g in groups if g]))
    return means
