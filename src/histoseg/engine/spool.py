from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from histoseg.contracts import Array, Nuclei

COLUMNS = tuple(field.name for field in fields(Nuclei) if field.name != "measures")


class Spool:
    """Nuclei on disk, part by part: read once, written in many formats.

    Args:
        folder: Empty or new; the caller removes it.

    Attributes:
        reach: (height, width) of the smallest picture that holds all.
        count: Of nuclei.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reach = (1, 1)
        self.count = self.files = 0

    def add(self, nuclei: Nuclei) -> None:
        """Put some away."""
        if not len(nuclei):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        columns = {name: getattr(nuclei, name) for name in COLUMNS}
        np.savez(self.folder / f"{self.files}.npz", **columns)
        right, bottom = nuclei.box_xyxy[:, 2:].max(axis=0).tolist()
        self.reach = max(self.reach[0], bottom), max(self.reach[1], right)
        self.count, self.files = self.count + len(nuclei), self.files + 1

    def parts(self, classes: Array) -> Iterator[Nuclei]:
        """Read them back in order.

        Args:
            classes: (L + 1,), int32: the class of each value of ``semantic``.
        """
        for number in range(self.files):
            with np.load(self.folder / f"{number}.npz", allow_pickle=False) as file:
                nuclei = Nuclei(**{name: file[name] for name in COLUMNS})
            yield replace(nuclei, semantic=classes[nuclei.semantic])
