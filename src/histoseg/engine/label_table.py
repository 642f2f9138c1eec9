"""Labels of annotation files as numbered classes."""

from __future__ import annotations

import colorsys
import re
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
        labels that are numbers (HoVer-Net's types, ImageJ's groups) keep them.
        """
        if self.info is not None:
            return self.info
        numbers = [_number(label) for label in self.labels]
        if self.order or None in numbers:
            names = (*self.order, *sorted(set(self.labels) - set(self.order)))
        else:
            names = tuple(str(k) for k in range(1, max(filter(None, numbers), default=0) + 1))
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
            kind = names.get(label, _number(label) or 0)
            table[number] = kind if kind <= len(names) else 0
        return table


def _number(label: str) -> int | None:
    """Of HoVer-Net's types ("3") and ImageJ's groups ("group 3"); None for a name."""
    match = re.fullmatch(r"(?:group )?(\d{1,3})", label)
    return int(match.group(1)) if match else None


def _colour(k: int, count: int) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(k / max(count, 1), 0.9, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)
