"""Crops as files, in the layout that loading codes are read from."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tifffile

from histoseg.errors import ContractError
from histoseg.prepare.subimages import Subimage
from histoseg.writers.files import whole_file
from histoseg.writers.picture import write_gray

MANIFEST, REPORT, CODES = "manifest.csv", "report.csv", "codes.txt"
_BOX = ("label", "left", "top", "right", "bottom")
_HEADER = ["crop", "source", *_BOX, "cell_pixels", "image_sha256"]


class SubimageFolder:
    """``FullImage/<crop>.tif``, ``Mask_Norm/<crop>.png`` and the tables beside them.

    What an earlier call wrote is removed first: its manifest names it.

    Args:
        root: Folder; made if absent.

    Attributes:
        rows: Of the manifest.

    Raises:
        ContractError: If the folder holds files that are not of an earlier call.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rows: list[list[Any]] = []
        found = root.rglob("*") if root.is_dir() else ()
        there = [path for path in found if path.is_file() and path.name[0] != "."]
        known = self._known()
        if foreign := [path for path in there if path not in known]:
            raise ContractError(
                f"{root} holds files that `histoseg prepare` did not write, such as {foreign[0]}; "
                "name an empty or new folder: output=<folder>"
            )
        for path in there:
            path.unlink()
        root.mkdir(parents=True, exist_ok=True)
        self._write_csv(MANIFEST, _HEADER, [])

    @property
    def negatives(self) -> int:
        """Crops without cells."""
        return sum(row[-2] == 0 for row in self.rows)

    def write(self, one: Subimage) -> None:
        """Write a crop.

        Raises:
            OSError: If the disk is full or may not be written.
        """
        image, mask = self._files(one.name)
        digest = hashlib.sha256(one.planes.tobytes()).hexdigest()
        row = [one.name, one.source, *one.box, int((one.mask > 0).sum()), digest]
        with (self.root / MANIFEST).open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(row)  # before the files: to know them
        self.rows.append(row)
        with whole_file(image) as file:
            tifffile.imwrite(file, one.planes, photometric="minisblack", metadata={"axes": "CYX"})
        write_gray(mask, one.mask)

    def finish(self, classes: Sequence[str], failed: Sequence[tuple[Path, str]]) -> None:
        """Write ``codes.txt``, the manifest and the report."""
        names = ["Background", *(name.capitalize() for name in classes)]
        with whole_file(self.root / CODES) as file:
            file.write(("\n".join(names) + "\n").encode())
        self._write_csv(MANIFEST, _HEADER, self.rows)
        self._write_csv(REPORT, ["file", "why"], failed)

    def _known(self) -> set[Path]:
        known = {self.root / name for name in (MANIFEST, REPORT, CODES)}
        if (self.root / MANIFEST).is_file():
            with (self.root / MANIFEST).open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    known |= set(self._files(row["crop"]))
        return known

    def _files(self, name: str) -> tuple[Path, Path]:
        return self.root / "FullImage" / f"{name}.tif", self.root / "Mask_Norm" / f"{name}.png"

    def _write_csv(self, name: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        with whole_file(self.root / name) as file:
            file.write(text.getvalue().encode())
