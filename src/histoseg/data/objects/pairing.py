"""Which prediction belongs to which truth, and both on the same pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from histoseg.contracts import Array
from histoseg.data.objects.source import Labelled, ObjectSource
from histoseg.errors import ContractError

SHOWN = 10  # names listed in a message


@dataclass(frozen=True)
class Pairing:
    """Images that are scored, and what is left over.

    Attributes:
        names: Of the images scored.
        true: Position of the truth of each.
        pred: Position of its prediction; None where there is none.
        extra: Names of predictions without truth.
    """

    names: tuple[str, ...]
    true: tuple[int, ...]
    pred: tuple[int | None, ...]
    extra: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of truths without prediction."""
        return tuple(n for n, p in zip(self.names, self.pred, strict=True) if p is None)


def pair(true: ObjectSource, pred: ObjectSource) -> Pairing:
    """Pair truths and predictions: by name, or by position where one side has no names.

    Two single files are a pair, whatever they are called.

    Args:
        true: Truths.
        pred: Predictions.

    Raises:
        ContractError: If sides without names differ in length, or nothing fits.
    """
    if true.names is None or pred.names is None or len(true) == len(pred) == 1:
        return _by_position(true, pred)
    place = {name: i for i, name in enumerate(pred.names)}
    found = tuple(place.get(name) for name in true.names)
    if all(position is None for position in found):
        raise ContractError(
            f"no prediction has the name of a truth: {pred.where} has {some(pred.names)}; "
            f"{true.where} has {some(true.names)}. Files are paired by name without suffix"
        )
    extra = tuple(sorted(place.keys() - set(true.names)))
    return Pairing(true.names, tuple(range(len(true))), found, extra)


def read_pair(
    true: ObjectSource,
    pred: ObjectSource,
    places: tuple[int, int | None],
    classes: Sequence[str] | None,
    size: tuple[int, int] | None = None,
) -> tuple[Labelled, Labelled]:
    """Read a truth and its prediction, on the same pixels.

    Outlines take the size of the other side's map. Where both sides are outlines and no size is
    known, both get the smallest map that holds all: scores do not look at the background.

    Args:
        true: Truths.
        pred: Predictions.
        places: Positions of the two; without a prediction, one without objects is made.
        classes: Names of classes 1..K, to number the labels of drawings.
        size: (height, width) of the image, where it is known.

    Raises:
        UnreadableFileError: If one cannot be read, or their sizes differ.
    """
    at, other = places
    if other is None:
        found = true.read(at, size, classes)
        return found, _nothing(found)
    if size is None and true.is_drawn(at):
        second = pred.read(other, None, classes)
        size = None if pred.is_drawn(other) else _size(second)
        first = true.read(at, size, classes)
        return _same_size(first, second) if size is None else (first, second)
    first = true.read(at, size, classes)
    return first, pred.read(other, _size(first), classes)


def _by_position(true: ObjectSource, pred: ObjectSource) -> Pairing:
    if len(true) != len(pred):
        raise ContractError(
            f"{true.where} has {len(true)} images, {pred.where} {len(pred)}; without names they "
            "are paired by position: give predictions of the whole fold, in its order"
        )
    named = true.names or pred.names or tuple(f"{i:04d}" for i in range(len(true)))
    return Pairing(named, tuple(range(len(true))), tuple(range(len(true))))


def some(names: Sequence[str]) -> str:
    """List some names for a message, and say how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _size(found: Labelled) -> tuple[int, int]:
    height, width = found.instances.shape
    return height, width


def _nothing(found: Labelled) -> Labelled:
    empty = np.zeros_like(found.instances)
    return Labelled(empty, None if found.semantic is None else empty)


def _same_size(*sides: Labelled) -> tuple[Labelled, Labelled]:
    height, width = np.max([side.instances.shape for side in sides], axis=0)

    def padded(values: Array) -> Array:
        return np.pad(values, ((0, height - values.shape[0]), (0, width - values.shape[1])))

    first, second = (
        replace(
            side,
            instances=padded(side.instances),
            semantic=None if side.semantic is None else padded(side.semantic),
        )
        for side in sides
    )
    return first, second
