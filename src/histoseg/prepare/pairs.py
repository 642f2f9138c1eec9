"""Pictures and annotations beside each other, as most public sets come."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.slides import IMAGE_SUFFIXES


def find_folder(raw: Path, name: str) -> Path | None:
    """Find a folder by the end of its path, at any depth, in any case of letters.

    Archives of the same set are packed with one folder more or less around them.

    Args:
        raw: Where to look.
        name: Path of the folder, such as ``Train/Images``.

    Returns:
        The uppermost one with files, the first by name; None if there is none.
    """
    wanted = tuple(name.lower().split("/"))
    found = [
        path
        for path in (raw, *sorted(raw.rglob("*")))
        if tuple(p.lower() for p in path.parts[-len(wanted) :]) == wanted
        and path.is_dir()
        and any(child.is_file() for child in path.iterdir())
    ]
    return min(found, key=lambda path: len(path.parts), default=None)


def stems(folder: Path, suffixes: Collection[str] = IMAGE_SUFFIXES) -> dict[str, Path]:
    """The files of a folder by their stem; hidden ones left out.

    Raises:
        DatasetNotFoundError: If there are none.
    """
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    found = {p.stem: p for p in files if p.suffix.lower() in suffixes and p.name[0] != "."}
    if not found:
        raise DatasetNotFoundError(f"{folder} holds no {' '.join(sorted(suffixes))} file")
    return found


def partner(name: str, found: dict[str, Path], what: str) -> Path:
    """The file of an item.

    Raises:
        UnreadableFileError: If there is none: this item fails, the others go on.
    """
    if name not in found:
        raise UnreadableFileError(f"{name} has no {what} of the same stem")
    return found[name]


def patient(stem: str) -> str:
    """The patient of a file of TCGA: the first three parts of its barcode.

    Example:
        >>> patient("TCGA-A7-A13E-01Z-00-DX1")
        'TCGA-A7-A13E'
    """
    return "-".join(stem.split("-")[:3]) if stem.startswith("TCGA-") else stem
