"""How many nuclei of each class, and which tissue, each record of a data set has."""

from __future__ import annotations

import csv
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch.distributed as dist
from tqdm import tqdm

from histoseg.contracts import Array, Record
from histoseg.ops.instances import instances_from_labels

_log = logging.getLogger(__name__)


class Records(Protocol):
    """A data set: map-style, giving records."""

    def __len__(self) -> int:
        """Number of items."""

    def __getitem__(self, index: int) -> Record:
        """One item, as stored."""


@runtime_checkable
class KnowsTissues(Protocol):
    """A data set that knows the tissue of each record without reading it."""

    def tissues(self) -> Sequence[str]:
        """One name a record, in the order of the records."""


@runtime_checkable
class KnowsNuclei(Protocol):
    """A data set that knows how many nuclei each record has without reading it."""

    def class_counts(self) -> Array:
        """(N, K), integers: nuclei of classes 1..K in each record."""


class Counts(NamedTuple):
    """What was counted in each of N records.

    Attributes:
        tissues: Their tissues; empty strings where none is known.
        nuclei: (N, K), int64. Nuclei of classes 1..K.
    """

    tissues: tuple[str, ...]
    nuclei: Array


def tissues(records: Records, classes: Sequence[str], cache: Path | None) -> tuple[str, ...]:
    """The tissue of each record, from the data set if it knows, else as `count` finds it."""
    if isinstance(records, KnowsTissues):
        return tuple(records.tissues())
    return count(records, classes, cache).tissues


def class_counts(records: Records, classes: Sequence[str], cache: Path | None) -> Array:
    """Nuclei of each class in each record, from the data set if it knows, else as counted."""
    if isinstance(records, KnowsNuclei):
        return np.asarray(records.class_counts())
    return count(records, classes, cache).nuclei


def count(records: Records, classes: Sequence[str], cache: Path | None) -> Counts:
    """Read all annotations once and count. Of several processes one counts, the others wait.

    Args:
        records: The data set.
        classes: Names of classes 1..K.
        cache: CSV that keeps the result: one row a record, ``item,tissue,<class>...``. It is used
            if it has these classes and as many rows as there are records. None keeps nothing.
    """
    ranked = cache is not None and dist.is_available() and dist.is_initialized()
    if ranked and dist.get_rank() > 0:
        dist.barrier()
    found = None if cache is None else _read(cache, classes, len(records))
    if found is None:
        found = _counted(records, classes, cache)
    if ranked and dist.get_rank() == 0:
        dist.barrier()
    return found


def _counted(records: Records, classes: Sequence[str], cache: Path | None) -> Counts:
    nuclei = np.zeros((len(records), len(classes)), dtype=np.int64)
    kinds, items = [], []
    bar = tqdm(
        range(len(records)), desc="counting nuclei", unit="image", disable=not sys.stderr.isatty()
    )
    for i in bar:
        record = records[i]
        kinds.append(record.get("tissue", ""))
        items.append(record["place"].slide if "place" in record else str(i))
        if "semantic" in record and "instances" in record:
            kind = instances_from_labels(record["instances"], record["semantic"]).semantic
            nuclei[i] = np.bincount(kind, minlength=len(classes) + 1)[1 : len(classes) + 1]
    found = Counts(tuple(kinds), nuclei)
    if cache is not None:
        _write(cache, classes, items, found)
        _log.info("counted the nuclei of %d images: %s", len(records), cache)
    return found


def _write(path: Path, classes: Sequence[str], items: Sequence[str], counts: Counts) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f)
        writer.writerow(["item", "tissue", *classes])
        for item, tissue, row in zip(items, counts.tissues, counts.nuclei.tolist(), strict=True):
            writer.writerow([item, tissue, *row])
    part.replace(path)


def _read(path: Path, classes: Sequence[str], length: int) -> Counts | None:
    """What the file says; None if there is none, or it is of other data."""
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as f:
        header, *rows = list(csv.reader(f)) or [[]]
    if header != ["item", "tissue", *classes] or len(rows) != length:
        return None
    nuclei = np.array([row[2:] for row in rows], dtype=np.int64).reshape(length, len(classes))
    return Counts(tuple(row[1] for row in rows), nuclei)
