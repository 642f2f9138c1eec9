"""Labels of annotation files as numbered classes."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np

from histoseg.annotations import Shape, TypeInfo
from histoseg.contracts import Array

Colour = tuple[int, int, int]


class LabelTable:
    """Numbers the labels of all files of a run, then the classes they are.

    Args:
        info: Names, order and colours that are asked for; None for those of the files.
    """

    def __init__(self, info: TypeInfo | None) -> None:
        self.info = info
        self.labels: dict[str, int] = {}
        self.colours: dict[str, Colour] = {}
        self.order: list[str] = []

    def expect(self, classes: Sequence[str]) -> None:
        """Note classes that a file lists, in its order."""
        self.order += [name for name in classes if name not in self.order]

    def number(self, shape: Shape) -> int:
        """The number of a shape's label, 0 for none."""
        if shape.label is None:
            return 0
        if shape.colour is not None:
            self.colours.setdefault(shape.label, shape.colour)
        return self.labels.setdefault(shape.label, len(self.labels) + 1)

    def classes(self) -> TypeInfo:
        """Names and colours of all classes.

        Those of the files are in the order in which a file lists them, else that of the alphabet;
        labels that are numbers (HoVer-Net's types) keep them.
        """
        if self.info is not None:
            return self.info
        known = [name for name in self.order if name in self.labels or self._no_numbers()]
        rest = sorted(set(self.labels) - set(known))
        names = (*known, *rest)
        if names and not self._no_numbers():
            names = tuple(str(k) for k in range(1, max(map(int, names)) + 1))
        spread = [_colour(k, len(names)) for k in range(len(names))]
        return TypeInfo(
            names,
            tuple(self.colours.get(n, c) for n, c in zip(names, spread, strict=True)),
        )

    def unknown(self) -> list[str]:
        """Labels that are no class: their nuclei stay, without class."""
        table = self.table()
        return [label for label, number in self.labels.items() if not table[number]]

    def table(self) -> Array:
        """(L + 1,), int32: the class of each number, 0 where its label is none."""
        names = {name: k for k, name in enumerate(self.classes().classes, start=1)}
        table = np.zeros(len(self.labels) + 1, np.int32)
        for label, number in self.labels.items():
            kind = int(label) if label.isdecimal() and label not in names else names.get(label, 0)
            table[number] = kind if kind <= len(names) else 0
        return table

    def _no_numbers(self) -> bool:
        return not all(label.isdecimal() and int(label) < 256 for label in self.labels)


def _colour(k: int, count: int) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(k / max(count, 1), 0.9, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)
