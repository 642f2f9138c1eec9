"""Scores of each test image, and pictures of the worst."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytorch_lightning as pl
import torch.distributed as dist
from torch import Tensor
from typing_extensions import override

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.metrics import ClassScores, PointScores, StructureScores
from histoseg.metrics.stain_means import StainMeans
from histoseg.metrics.tally import Tally, tally
from histoseg.writers import (
    Colours,
    dotted,
    enlarged,
    outlined,
    panel,
    panels,
    to_uint8,
    worst_name,
    write_csv,
    write_png,
)

Row = dict[str, Any]
T = TypeVar("T")


class PerImageScores(pl.Callback):
    """Count each test image for a report, and draw the worst, truth beside prediction.

    Args:
        folder: Where ``worst/`` goes; ``images.csv`` where there are no scores to report on (else
            the report has it); and where there are objects, ``stains.csv`` of the made stains.
        worst: Number of pictures, lowest score first.
        rank_by: Score that says how good an image is.

    Attributes:
        names: Of the images of all ranks, after the test.
        tissues: Their tissues, "" where unknown.
        points: Counts of each image by its name, as of `PointScores`; empty where there are none.
        tallies: Their counts; empty where annotations are points.
        stain_rows: Image, tissue and scores of its made stains, a row an image; empty without.
        skipped: Names of images left out because they could not be read, and why.
    """

    def __init__(self, folder: Path, worst: int = 8, rank_by: str = "pq") -> None:
        self.folder, self.worst, self.rank_by = folder, worst, rank_by
        self.rows: list[Row] = []
        self.pictures: dict[str, Array] = {}
        self.names: tuple[str, ...] = ()
        self.tissues: tuple[str, ...] = ()
        self.tallies: tuple[Tally, ...] = ()
        self.stain_rows: list[Row] = []
        self.points: dict[str, Array] = {}
        self.skipped: list[tuple[str, str]] = []

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
        colours: Colours = pl_module.colours  # type: ignore[assignment]
        radius = self.radius(pl_module)
        size = len(outputs["image"])
        unnamed = [f"image-{batch_idx * size + i}" for i in range(size)]
        for i, name in enumerate(batch["place"].slide if "place" in batch else unnamed):
            maps = {k: _array(v, i) for k, v in outputs.items() if _is_label_map(k)}
            row = {"image": name, "tissue": batch["tissue"][i] if "tissue" in batch else ""}
            made = _stain_scores(pl_module, i)
            if made:
                row |= {"stains": made, self.rank_by: made.get(self.rank_by, np.nan)}
            if "points" in outputs:
                row["points"] = found = _point_counts(pl_module, outputs, i, maps)
                metric: Any = pl_module.test_scores["points"]  # type: ignore[index]
                row |= metric.scores(found)
            elif "pred_instances" in maps:
                counts = tally(**maps, classes=len(pl_module.classes), radius=radius)  # type: ignore[arg-type]
                row |= {"tally": counts, self.rank_by: counts.scores[self.rank_by]}
            self.rows.append(row)
            image = to_uint8(next(iter(panels(outputs["image"][i]).values())))
            sides = [
                outlined(image, maps[f"{p}instances"], maps.get(f"{p}semantic"), colours)
                for p in ("", "pred_")
                if f"{p}instances" in maps
            ]
            if "points" in outputs:
                own = trainer.datamodule.colours  # type: ignore[attr-defined]
                sides = [dotted(image, _array(outputs["points"], i), own), *sides]
            self._keep_if_bad(name, row, [sides] if sides else _pairs(outputs, i))

    @override
    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        left_out = [(one.name, one.why) for one in getattr(data, "skipped", ())]
        self.skipped = _from_all_ranks(left_out, key=lambda pair: pair[0])
        rows = _from_all_ranks(self.rows, key=lambda row: str(row["image"]))
        if not rows:
            whys = "\n".join(why for _, why in self.skipped[:3])
            raise UnreadableFileError(f"none of the {len(self.skipped)} test images:\n{whys}")
        self.names, self.tissues = (tuple(str(r[k]) for r in rows) for k in ("image", "tissue"))
        self.points = {str(row["image"]): row.pop("points") for row in rows if "points" in row}
        self.tallies = tuple(row["tally"] for row in rows if "tally" in row)
        self.stain_rows = [
            {"image": r["image"], "tissue": r["tissue"], **r["stains"]}
            for r in rows
            if "stains" in r
        ]
        if trainer.is_global_zero:
            self._write(rows)
        for place, row in enumerate(self._worst_first(rows)[: self.worst]):
            if row["image"] in self.pictures:
                picture = self.pictures[row["image"]]
                write_png(self.folder / "worst" / worst_name(place, row["image"]), picture)

    def _write(self, rows: list[Row]) -> None:
        if self.tallies or self.stain_rows:  # there is a report, which has its own images.csv
            if self.tallies and self.stain_rows:
                table = [[*row.values()] for row in self.stain_rows]
                write_csv(self.folder / "stains.csv", list(self.stain_rows[0]), table)
            return
        write_csv(self.folder / "images.csv", list(rows[0]), [[*r.values()] for r in rows])

    def radius(self, module: Any) -> float:
        """Largest distance of paired centres, px: that of the model's own metric, else 12."""
        metrics = (m for m in module.test_scores.values() if isinstance(m, ClassScores))
        return float(next((metric.radius for metric in metrics), 12.0))

    def _keep_if_bad(self, name: str, row: Row, pairs: list[list[Array]]) -> None:
        """Draw an image if it is among the worst so far, and forget the one it displaces."""
        worst = self._worst_first(self.rows)[: self.worst]
        if any(r is row for r in worst):
            score = f"{self.rank_by} {row[self.rank_by]:.3f}" if self.rank_by in row else "made"
            shown = [[enlarged(picture) for picture in pair] for pair in pairs]
            self.pictures[name] = panel(shown, [f"truth: {name}", score])
            kept = {r["image"] for r in worst}
            self.pictures = {k: v for k, v in self.pictures.items() if k in kept}

    def _worst_first(self, rows: list[Row]) -> list[Row]:
        """The worst rows; where images have no score by themselves, in the order of names."""
        scored = [row for row in rows if not np.isnan(row.get(self.rank_by, 0.0))]
        return sorted(scored, key=lambda row: (row.get(self.rank_by, 0.0), row["image"]))


def _point_counts(module: Any, outputs: Any, i: int, maps: dict[str, Array]) -> Array:
    metric: PointScores = module.test_scores["points"]
    points, mpp = _array(outputs["points"], i), float(outputs["mpp"][i])
    return metric.count(points, mpp, maps["pred_instances"], maps["pred_semantic"])


def _stain_scores(module: Any, i: int) -> dict[str, float]:
    """What the metrics of translations say of one image of the batch."""
    found: dict[str, float] = {}
    for metric in module.test_scores.values():
        if isinstance(metric, StainMeans | StructureScores):
            found |= metric.row(i)
    return found


def _pairs(outputs: Any, i: int) -> list[list[Array]]:
    """True beside made, a row for each stain."""
    true, made = outputs["stains"], outputs["pred_stains"]
    return [[to_uint8(true[n][i]), to_uint8(made[n][i])] for n in made if n in true]


def _is_label_map(key: str) -> bool:
    return key.removeprefix("pred_") in ("instances", "semantic")


def _array(maps: Tensor, i: int) -> Array:
    array: Array = maps[i].cpu().numpy()
    return array


def _from_all_ranks(rows: list[T], key: Callable[[T], str]) -> list[T]:
    """The rows of all ranks, in the order of their keys; those of a single rank as they are."""
    if not (dist.is_available() and dist.is_initialized()):
        return rows
    shards: list[list[T]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(shards, rows)
    return sorted((row for shard in shards for row in shard), key=key)
