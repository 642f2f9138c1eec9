"""Counting predictions against truths, file by file."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from tqdm import tqdm

from histoseg.contracts import Array
from histoseg.data.objects import Labelled, ObjectSource, Pairing, mapped, read_pair
from histoseg.errors import ContractError, UnreadableFileError
from histoseg.metrics.ignored import without_ignored
from histoseg.metrics.tallies import Tallies, stack
from histoseg.metrics.tally import Tally, plane_counts, tally, without_classes
from histoseg.slides import read_image

log = logging.getLogger(__name__)


@dataclass
class Counted:
    """The counts of the images that could be read, by name, and what was left out.

    Attributes:
        tallies: Counts of each image.
        tissues: Tissue of each, "" where unknown.
        groups: Patient or slide of each; "" where unknown.
        skipped: Name and reason of each image that could not be read.
        dropped: Image, side, place and reason of each object that a file could not give.
        untyped: Sides that know no classes although the other one does.
    """

    tallies: dict[str, Tally] = field(default_factory=dict)
    tissues: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    dropped: list[tuple[str, str, str, str]] = field(default_factory=list)
    untyped: set[str] = field(default_factory=set)

    def stacked(self, classes: Sequence[str] | None, names: Sequence[str] | None = None) -> Tallies:
        """All images as one table, or those named.

        Raises:
            UnreadableFileError: If no image could be read.
        """
        chosen = list(self.tallies) if names is None else list(names)
        if not chosen:
            whys = "".join(f"\n  {why}" for _, why in self.skipped[:5])
            raise UnreadableFileError(f"none of the {len(self.skipped)} images can be read:{whys}")
        counts = [self.tallies[name] for name in chosen]
        if self.untyped and classes is None:
            counts, classes = [without_classes(one) for one in counts], ()
        return stack(
            counts,
            chosen,
            classes,
            [self.tissues[name] for name in chosen],
            [self.groups[name] or name for name in chosen],
        )


class PairReader:
    """Truth and prediction of an image, ready to be counted.

    Args:
        true: Truths.
        pred: Predictions.
        pairing: Which belongs to which.
        classes: Names of classes 1..K; empty to leave classes out, None to number those found.
        cfg: ``true_class_map, pred_class_map``.
        images: Picture of each image, where there are any.
    """

    def __init__(
        self,
        true: ObjectSource,
        pred: ObjectSource,
        pairing: Pairing,
        classes: Sequence[str] | None,
        cfg: DictConfig,
        images: Mapping[str, Path],
    ) -> None:
        self.true, self.pred, self.pairing, self.classes = true, pred, pairing, classes
        self.maps = (dict(cfg.true_class_map or {}), dict(cfg.pred_class_map or {}))
        self.images = images
        self.places = {
            name: (t, p)
            for name, t, p in zip(pairing.names, pairing.true, pairing.pred, strict=True)
        }

    def read(self, name: str) -> tuple[Labelled, Labelled]:
        """Read both sides of an image, classes mapped, ignored objects taken away.

        Raises:
            UnreadableFileError: If one cannot be read, or their sizes differ.
        """
        places = self.places[name]
        size = None
        if name in self.images and self.true.is_drawn(places[0]):
            size = self.picture(name).shape[:2]
        pair = read_pair(self.true, self.pred, places, self.classes, size)
        if self.classes is not None and not self.classes:
            pair = tuple(replace(one, semantic=None, planes=None) for one in pair)  # type: ignore[assignment]
        true, pred = (mapped(one, table) for one, table in zip(pair, self.maps, strict=True))
        if true.ignore is None or not true.ignore.any():
            return true, pred
        return _kept(true, true.ignore), _kept(pred, true.ignore)

    def picture(self, name: str) -> Array:
        """The picture of an image, from ``images``.

        Raises:
            UnreadableFileError: If it cannot be read.
        """
        return read_image(self.images[name], upright=False)


def count_pairs(
    reader: PairReader, cfg: DictConfig, items: Mapping[str, Mapping[str, str]]
) -> Counted:
    """Count every pair.

    Args:
        reader: Of the pairs.
        cfg: ``on_error, radius, radius_um, mpp``.
        items: Tissue and group of each image, before what its files say.

    Returns:
        The counts.

    Raises:
        ContractError: If a class exceeds the list, or a radius in micrometres lacks a pixel size.
        UnreadableFileError: If a file cannot be read and ``on_error`` is ``raise``.
    """
    found = Counted()
    bar = tqdm(reader.pairing.names, unit="image", disable=not sys.stderr.isatty())
    for name in bar:
        try:
            true, pred = reader.read(name)
        except UnreadableFileError as error:
            if cfg.on_error == "raise":
                raise
            found.skipped.append((name, str(error)))
            continue
        row = items.get(name, {})
        mpp = cfg.mpp or float(row.get("mpp") or true.mpp)
        true, pred = _typed(name, true, pred, reader, found)
        found.tallies[name] = _counted(name, true, pred, reader, _radius(cfg, mpp, name))
        found.tissues[name] = row.get("tissue") or true.tissue
        found.groups[name] = row.get("group") or true.group
        for side, one in (("true", true), ("pred", pred)):
            found.dropped += [(name, side, d.where, d.why) for d in one.dropped]
    return found


def _typed(
    name: str, true: Labelled, pred: Labelled, reader: PairReader, found: Counted
) -> tuple[Labelled, Labelled]:
    """Both sides with classes, or none: one without objects has the classes of the other."""
    sides = [true, pred]
    for i, (side, other) in enumerate(((true, pred), (pred, true))):
        if side.semantic is not None or (other.semantic is None and not reader.classes):
            continue
        source = (reader.true, reader.pred)[i].where
        if not side.instances.any():
            sides[i] = replace(side, semantic=np.zeros_like(side.instances))
        elif reader.classes:
            raise ContractError(
                f"{name} of {source} has nuclei but no classes, and {list(reader.classes)} are to "
                "be scored: score without classes by classes=[]"
            )
        else:
            found.untyped.add(source)
    return sides[0], sides[1]


def _counted(name: str, true: Labelled, pred: Labelled, reader: PairReader, radius: float) -> Tally:
    classes = None if reader.classes is None else len(reader.classes)
    maps = (true.instances, pred.instances, true.semantic, pred.semantic)
    try:
        counts = tally(*maps, classes=classes, radius=radius)
    except ValueError as error:
        raise ContractError(
            f"{name}: {error} ({list(reader.classes or ())}). Name them with classes=[...], or "
            "merge them with true_class_map or pred_class_map; classes=[] scores without"
        ) from error
    if (true.planes is None and pred.planes is None) or not classes:
        return counts
    rows = plane_counts(_planes(true, classes), _planes(pred, classes))
    return replace(counts, panoptic=np.concatenate([counts.panoptic[:1], rows]))


def _planes(side: Labelled, classes: int) -> Array:
    """The map of each class, (K, H, W)."""
    if side.planes is not None:
        return side.planes
    return np.stack(
        [np.where(side.semantic == k, side.instances, 0) for k in range(1, classes + 1)]
    )


def _radius(cfg: DictConfig, mpp: float, name: str) -> float:
    if cfg.radius_um is None:
        return float(cfg.radius)
    if not math.isfinite(mpp):
        raise ContractError(
            f"radius_um={cfg.radius_um} needs the pixel size of {name}: set mpp=<micrometres per "
            "pixel>, or give the radius in pixels"
        )
    return float(cfg.radius_um / mpp)


def _kept(side: Labelled, ignore: Array) -> Labelled:
    maps = {"instances": torch.from_numpy(side.instances.astype(np.int64))[None]}
    if side.semantic is not None:
        maps["semantic"] = torch.from_numpy(side.semantic.astype(np.int64))[None]
    kept = without_ignored(maps, torch.from_numpy(ignore)[None])
    arrays = {name: m[0].numpy() for name, m in kept.items()}
    return replace(side, planes=None, **arrays)  # type: ignore[arg-type]
