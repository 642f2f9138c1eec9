"""Where the pictures of BCI lie, in each of the layouts that it is handed round in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from histoseg.errors import ContractError, DatasetNotFoundError
from histoseg.slides import IMAGE_SUFFIXES

SPLITS = ("train", "val", "test")
LEVEL = re.compile(r"_(0|1\+|2\+|3\+)$")
Half = Literal["left", "right"]


@dataclass(frozen=True)
class Stored:
    """Where the picture of one stain is: a file, or half of one."""

    path: Path
    half: Half | None = None


@dataclass(frozen=True)
class Listing:
    """All pictures there are.

    Attributes:
        layout: ``native``, ``unaligned`` or ``side by side``.
        folders: Folder of the split (train, val or test) -> stain -> name -> where it is.
    """

    layout: str
    folders: Mapping[str, Mapping[str, Mapping[str, Stored]]]

    def homes(self, stains: Sequence[str]) -> dict[str, str]:
        """Name -> folder of the split, of the pictures of all these stains.

        Raises:
            ContractError: If a name is in two folders.
        """
        homes: dict[str, str] = {}
        for folder, found in self.folders.items():
            for name in sorted({name for stain in stains for name in found[stain]}):
                if homes.setdefault(name, folder) != folder:
                    raise ContractError(
                        f"{name} is in {homes[name]} and in {folder}, a leak: remove one"
                    )
        return homes


def list_bci(root: Path, sides: Sequence[str]) -> Listing:
    """Find the layout of a folder and list its pictures.

    Args:
        root: Folder of ``HE`` and ``IHC``, or ``A`` and ``B``, each with ``train`` and ``test``; of
            ``trainA``, ``trainB``, ...; of ``train`` and ``test`` with pictures side by side; or of
            ``BCI_dataset``, which holds one of these.
        sides: Stains of A, which is also the left half, and of B.

    Raises:
        DatasetNotFoundError: If it is none of these.
        ContractError: If two files of one folder share a name.
    """
    for base in (root, root / "BCI_dataset"):
        inside = sorted(base.iterdir()) if base.is_dir() else []
        there = {path.name: path for path in inside if path.is_dir()}
        named = {
            stain: there[folder]
            for stain, letter in zip(sides, "AB", strict=True)
            for folder in (stain.upper(), letter)
            if folder in there
        }
        if len(named) == 2:
            places = {s: {stain: named[stain] / s for stain in sides} for s in SPLITS}
            return _listed("native", places)
        if "trainA" in there:
            letters = dict(zip(sides, "AB", strict=True))
            places = {s: {stain: base / f"{s}{letters[stain]}" for stain in sides} for s in SPLITS}
            return _listed("unaligned", places)
        if "train" in there and _pictures(there["train"]):
            places = {s: dict.fromkeys(sides, base / s) for s in SPLITS}
            return _listed("side by side", places)
    a, b = (stain.upper() for stain in sides)
    state = f"holds {sorted(p.name for p in root.iterdir())[:6]}" if root.is_dir() else "is missing"
    raise DatasetNotFoundError(
        f"{root} {state}; expected the folders {a} and {b}, each with train and test; or trainA, "
        f"trainB, testA, testB (A is {sides[0]}); or train and test with {sides[0]} left of "
        f"{sides[1]} in one file. BCI is handed out by hand: docs/data/bci.md says by whom. Set "
        "data.dataset.root"
    )


def level_of(name: str) -> str:
    """HER2 level that a name such as ``00000_train_1+`` ends in; empty if it says none.

    Example:
        >>> level_of("00000_train_1+"), level_of("a")
        ('HER2 1+', '')
    """
    found = LEVEL.search(name)
    return f"HER2 {found[1]}" if found else ""


def _listed(layout: str, places: Mapping[str, Mapping[str, Path]]) -> Listing:
    halves: list[Half | None] = [None, None]
    if layout == "side by side":
        halves = ["left", "right"]
    folders = {}
    for split, of_stains in places.items():
        found = {
            stain: {name: Stored(path, half) for name, path in _pictures(folder).items()}
            for (stain, folder), half in zip(of_stains.items(), halves, strict=True)
        }
        if any(found.values()):
            folders[split] = found
    for stain in next(iter(places.values())):
        if not any(found[stain] for found in folders.values()):
            shown = ", ".join(str(of_stains[stain]) for of_stains in places.values())
            raise DatasetNotFoundError(f"stain {stain!r} has no picture in any of {shown}")
    return Listing(layout, folders)


def _pictures(folder: Path) -> dict[str, Path]:
    """Name -> file, of the pictures in a folder; none if there is no folder."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in found:
            raise ContractError(f"{found[path.stem]} and {path.name} share a name: remove one")
        found[path.stem] = path
    return found
