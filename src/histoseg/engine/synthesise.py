"""Strips of recoloured cells, with IHC and marker that a generator makes of them."""

from __future__ import annotations

import hashlib
import logging
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from histoseg import __version__
from histoseg.contracts import Array
from histoseg.engine import checkpoint
from histoseg.engine.predict import ACCELERATORS, device_of
from histoseg.engine.predict_image import PRECISIONS
from histoseg.engine.prepare_strips import Truths
from histoseg.engine.record import write_provenance
from histoseg.engine.slides.stamps import hash_of, hash_of_weights
from histoseg.engine.synthetic_folder import Row, SyntheticFolder, Wish
from histoseg.engine.synthetic_inputs import Generator, Parent, label_of, parents, sources
from histoseg.errors import ContractError, UnreadableFileError
from histoseg.postprocess import NegToPos, Recoloured, draws_of
from histoseg.prepare.strip_files import panels_of
from histoseg.slides import read_image
from histoseg.writers import panel, write_png

log = logging.getLogger(__name__)


def synthesise(cfg: DictConfig) -> dict[str, Any]:
    """Make strips in which a share of the negative cells is positive.

    Args:
        cfg: Composed from ``conf/synthesise.yaml``.

    Returns:
        ``strips``: how many of each split, real ones too; ``made``: how many were made now;
        ``left_out``: how many parents.

    Raises:
        CheckpointError: If there is none, or it is no generator of IHC.
        ContractError: If panels are missing, the output is not ours, or no strip has cells.
        DatasetNotFoundError: If there are no strips.
        UnreadableFileError: After all else, if some strips cannot be read.
        ValueError: If a setting is not one of those that there are.
    """
    _check_settings(cfg)
    paint = NegToPos(instantiate(cfg.cells), cfg.clustered, cfg.touch)
    module = checkpoint.load(cfg)
    label, found = label_of(module, cfg), sources(cfg)
    if not cfg.keep_original:
        found = {split: found[split] for split in cfg.splits}
    generator = Generator(
        module.to(device_of(cfg.accelerator)),  # type: ignore[arg-type]  # label_of looked
        cfg.batch_size,
        cfg.overlap,
        PRECISIONS[cfg.precision],
    )
    folder = SyntheticFolder(Path(cfg.output), cfg.data.stains)
    write_provenance(cfg, folder.root)
    work = Synthesis(cfg, paint, generator, label, folder)
    total = sum(len(records) for records in found.values())
    for parent in tqdm(parents(found), "strips", total, disable=not sys.stderr.isatty()):
        work.take(parent)
    return work.finish()


class Task(NamedTuple):
    """A strip that waits for the generator."""

    wish: Wish
    stamp: str
    panels: Mapping[str, Array]
    row: Row


class Synthesis:
    """The work on one output folder, parent by parent.

    Args:
        cfg: Composed from ``conf/synthesise.yaml``.
        paint: Makes cells positive.
        generator: Makes the pictures.
        label: Stain that is painted.
        folder: Where strips go.
    """

    def __init__(
        self,
        cfg: DictConfig,
        paint: NegToPos,
        generator: Generator,
        label: str,
        folder: SyntheticFolder,
    ) -> None:
        self.cfg, self.paint, self.generator = cfg, paint, generator
        self.label, self.folder = label, folder
        self.percentages = sorted(set(cfg.neg_to_pos))
        self.truths = Truths([label], paint.cells)
        self.weights = hash_of_weights(generator.module.network)
        how = [__version__, self.weights, cfg.seed, cfg.clustered, cfg.touch, cfg.overlap]
        plain = [OmegaConf.to_container(cfg[key], resolve=True) for key in ("cells", "model")]
        self.stamp = hash_of([*how, *plain, cfg.precision, label, folder.stains])
        self.waiting: list[Task] = []
        self.remarks: list[tuple[str, str]] = []
        self.failed: list[str] = []
        self.shown: list[Parent] = []
        self.made = 0

    def take(self, parent: Parent) -> None:
        """Write what is wanted of a real strip, or have it wait for a full batch."""
        place = f"{parent.split}/{parent.name}"
        if parent.error:
            self.remarks.append((place, parent.error))
            self.failed.append(parent.error)
            return
        pixels = hashlib.sha256()
        for stain in self.folder.stains:
            pixels.update(parent.panels[stain].tobytes())
        self._keep(parent, pixels.hexdigest())
        if parent.split not in self.cfg.splits:
            return
        done = [self._wanted(parent, pixels.hexdigest(), p) for p in self.percentages]
        if done and not all(done):
            self.remarks.append((place, "left out: it has no negative cells"))
        elif len(self.shown) < self.cfg.pictures:
            self.shown.append(parent)

    def finish(self) -> dict[str, Any]:
        """Make what still waits, and write everything that is of all strips."""
        self._make()
        synthetic = sum(row["percentage"] != "" for row in self.folder.rows.values())
        if not synthetic and not self.failed:
            raise ContractError(
                f"no strip of {', '.join(self.cfg.splits)} has negative cells (panel {self.label})"
                ", so there is nothing to make of them; look at data.stains and cells.*"
            )
        removed = self.folder.remove_others()
        for split, scorings in self.truths.scorings.items():
            self.folder.write_json(f"{split}/metrics.json", dict(sorted(scorings.items())))
        self.folder.write_tables(self.remarks)
        self._draw()
        counts = dict(Counter(row["split"] for row in self.folder.rows.values()))
        shares = ", ".join(f"{n} in {split}" for split, n in counts.items()) or "none"
        log.info("%d synthetic strips, %d made now; with real ones %s: %s",
                 synthetic, self.made, shares, self.folder.root)  # fmt: skip
        if removed:
            log.info("%d strips of an earlier call with other options were removed", removed)
        if self.remarks:
            log.warning("%d left out, all in report.csv. The first: %s: %s",
                        len(self.remarks), *self.remarks[0])  # fmt: skip
        if self.failed:
            raise UnreadableFileError(
                f"{len(self.failed)} strips cannot be read: {'; '.join(self.failed[:3])}. All else "
                f"is in {self.folder.root}. Mend them and run the command again"
            )
        return {"strips": counts, "made": self.made, "left_out": len(self.remarks)}

    def _keep(self, parent: Parent, pixels: str) -> None:
        if not self.cfg.keep_original:
            return
        wish = Wish(parent.split, parent.name, None)
        self._count(wish, parent.panels[self.label])
        if not self.folder.finished(wish, hash_of([pixels, self.folder.stains])):
            row = _row(wish, pixels) | {"percentage": ""}
            self.folder.write(wish, hash_of([pixels, self.folder.stains]), parent.panels, row)

    def _wanted(self, parent: Parent, pixels: str, percentage: int) -> bool:
        """Whether there was something to paint; if it is not made yet, it waits."""
        wish = Wish(parent.split, parent.name, percentage)
        draws = draws_of(self.cfg.seed, parent.name, percentage)
        painted = self.paint(parent.panels[self.label], percentage, draws)
        if not painted.before[1]:
            return False
        self._count(wish, painted.seg)
        stamp = hash_of([self.stamp, pixels, percentage])
        if not self.folder.finished(wish, stamp):
            row = _row(wish, pixels) | self._told(percentage, painted)
            if self.waiting and len(self.waiting[0].panels[self.label]) != len(painted.seg):
                self._make()  # panels of one batch have one size
            panels = {**parent.panels, self.label: painted.seg}
            self.waiting.append(Task(wish, stamp, panels, row))
            if len(self.waiting) == self.cfg.batch_size:
                self._make()
        return True

    def _make(self) -> None:
        if not self.waiting:
            return
        made = self.generator([task.panels for task in self.waiting])
        for task, pictures in zip(self.waiting, made, strict=True):
            self.folder.write(task.wish, task.stamp, {**task.panels, **pictures}, task.row)
        self.made += len(self.waiting)
        self.waiting.clear()

    def _told(self, percentage: int, painted: Recoloured) -> Row:
        (positive, negative), (more, fewer) = painted.before, painted.after
        return {
            "percentage": percentage,
            "seed": self.cfg.seed,
            "clustered": bool(self.cfg.clustered),
            "chosen": len(painted.ids),
            "num_pos_before": positive,
            "num_neg_before": negative,
            "num_pos": more,
            "num_neg": fewer,
            "cells": " ".join(map(str, painted.ids.tolist())),
            "generator_sha256": self.weights,
        }

    def _count(self, wish: Wish, seg: Array) -> None:
        if wish.split != "train":
            self.truths.add(wish.name, wish.split, {self.label: seg})

    def _draw(self) -> None:
        """The sheet: a row a parent, its label picture and the outputs before and after."""
        if not self.shown:
            return
        names = (self.label, *self.generator.module.outputs)
        rows = []
        for parent in self.shown:
            row = [parent.panels[name] for name in names]
            for percentage in self.percentages:
                wish = Wish(parent.split, parent.name, percentage)
                made = panels_of(read_image(self.folder.root / wish.file), self.folder.stains)
                row += [made[name] for name in names]
            rows.append(row)
        titles = [*names, *(f"{name} {p} %" for p in self.percentages for name in names)]
        write_png(self.folder.root / "sheet.png", panel(rows, titles))


def _row(wish: Wish, pixels: str) -> Row:
    """What of a strip does not depend on how it was made."""
    return {
        "strip": wish.name,
        "split": wish.split,
        "parent": wish.parent,
        "parent_pixels_sha256": pixels,
    }


def _check_settings(cfg: DictConfig) -> None:
    odd = [p for p in cfg.neg_to_pos if not (type(p) is int and 0 <= p <= 100)]
    if odd or not cfg.neg_to_pos:
        raise ValueError(
            f"neg_to_pos={list(cfg.neg_to_pos)}: expected whole per cents from 0 to 100, as [50,70]"
        )
    for key, least in (("batch_size", 1), ("touch", 1), ("pictures", 0), ("seed", 0)):
        if not (type(cfg[key]) is int and cfg[key] >= least):
            raise ValueError(f"{key}={cfg[key]}: expected {least} or more")
    for key, values in (("precision", PRECISIONS), ("accelerator", ACCELERATORS)):
        if cfg[key] not in values:
            raise ValueError(f"{key}={cfg[key]}: expected one of {', '.join(values)}")
