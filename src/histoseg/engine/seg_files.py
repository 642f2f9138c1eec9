"""Which Seg pictures or cell records are meant, and what lies beside them."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from histoseg.errors import DatasetNotFoundError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
PACKED = (".json", ".json.gz")
SEG = re.compile(r"(?P<stem>.+)_(Seg|seg|fake_B_5|fake_B_S)", re.DOTALL)
MADE = re.compile(r".+_(SegOverlaid|SegRefined)", re.DOTALL)
"""What we and the original draw of a Seg picture: never taken for one of a folder or pattern."""
BESIDE = {
    "marker": re.compile(r"(?P<stem>.+)_(Marker|marker|mod\d+-Marker|fake_B_4)", re.DOTALL),
    "original": re.compile(r"(?P<stem>.+?)(_real_A)?", re.DOTALL),
}
HEAD = 4096  # bytes of a JSON that tell what it is


@dataclass(frozen=True)
class SegFiles:
    """Files about one image.

    Attributes:
        name: Stem of all of them, and of what is written.
        source: Seg picture or cell records.
        marker: Marker picture; None where there is none.
        original: Brightfield picture, likewise.
    """

    name: str
    source: Path
    marker: Path | None = None
    original: Path | None = None

    @property
    def records(self) -> bool:
        """Whether the source is cell records."""
        return self.source.name.lower().endswith(PACKED)


def seg_files(source: str, marker: str | None, original: str | None) -> list[SegFiles]:
    """List the images to score.

    Args:
        source: A Seg picture or cell records, whatever the name; a folder, of which the pictures
            called ``_Seg``, ``_seg`` as our predictions are, ``_fake_B_5`` or ``_fake_B_S`` are
            taken, or else the cell records; or a pattern, of which the same is taken or, where no
            name says it, every picture.
        marker: Picture, or folder of them by stem; None to look beside the Seg picture.
        original: Likewise.

    Raises:
        DatasetNotFoundError: If there is none, or something given is not there.
        ValueError: If two have one stem, or one picture is given for several.
    """
    found = _sources(source)
    names = [_name(path) for path in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"input={source}: several files are of {twice[0]}, so results would overwrite each"
            " other; give a pattern, or a folder for each kind"
        )
    beside = _Beside()
    return [
        SegFiles(
            name,
            path,
            marker=beside.find("marker", name, path, marker, len(found)),
            original=beside.find("original", name, path, original, len(found)),
        )
        for name, path in zip(names, found, strict=True)
    ]


def _sources(source: str) -> list[Path]:
    path = Path(source)
    if path.is_file():
        return [path]
    if path.is_dir():
        candidates: Iterable[Path] = path.iterdir()
    else:
        candidates = map(Path, glob.glob(source, recursive=True))  # noqa: PTH207  absolute ones too
    files = sorted(p for p in candidates if p.is_file() and not p.name.startswith("."))
    pictures = [p for p in files if p.suffix.lower() in SUFFIXES]
    chosen = [p for p in pictures if SEG.fullmatch(p.stem)]
    if not chosen and not path.is_dir():
        chosen = [p for p in pictures if not MADE.fullmatch(p.stem)]
    chosen = chosen or [p for p in files if _holds_cells(p)]
    if not chosen:
        raise DatasetNotFoundError(
            f"input={source}: nothing there is called <stem>_Seg.png or <stem>_fake_B_5.png, nor is"
            " it JSON of cell records; give a file or, for other names, a pattern:"
            " 'input=\"folder/*.png\"'"
        )
    return chosen


def _name(path: Path) -> str:
    packed = next((s for s in reversed(PACKED) if path.name.lower().endswith(s)), None)
    if packed is not None:
        return path.name[: -len(packed)]
    match = SEG.fullmatch(path.stem)
    return path.stem if match is None else match["stem"]


def _holds_cells(path: Path) -> bool:
    if not path.name.lower().endswith(".json"):
        return False
    with path.open("rb") as file:
        head = file.read(HEAD)
    return b'"cells"' in head or b'"dataVersion"' in head


class _Beside:
    """Pictures of folders, each folder listed once."""

    def __init__(self) -> None:
        self._pictures: dict[Path, list[Path]] = {}

    def find(self, key: str, name: str, source: Path, given: str | None, count: int) -> Path | None:
        """The picture of a stem: beside its source, or as given."""
        if given is None:
            return self._called(key, name, source.parent, source)
        path = Path(given)
        if path.is_file():
            if count > 1:
                raise ValueError(f"{key}={given} is one file for {count}: give a folder")
            return path
        if not path.is_dir():
            raise DatasetNotFoundError(f"{key}={given}: there is no such file or folder")
        found = self._called(key, name, path) or self._called("original", name, path)
        if found is None:
            raise DatasetNotFoundError(f"{key}={given} has no picture for {name}")
        return found

    def _called(self, key: str, name: str, folder: Path, but: Path | None = None) -> Path | None:
        if folder not in self._pictures:
            files = sorted(folder.iterdir())
            self._pictures[folder] = [p for p in files if p.suffix.lower() in SUFFIXES]
        for path in self._pictures[folder]:
            match = BESIDE[key].fullmatch(path.stem)
            if match is not None and match["stem"] == name and path != but:
                return path
        return None
