from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from histoseg.errors import SlideError
from histoseg.slides.dicom_frames import is_level, read_header
from histoseg.slides.find import IMAGE_SUFFIXES, expand
from histoseg.slides.resolution import as_number, is_plausible
from histoseg.slides.slide import slide_name

SLIDE_SUFFIXES = (
    *IMAGE_SUFFIXES,
    *(".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", ".dcm"),
)
"""What `histoseg.slides.open_slide` reads, as files are usually called."""
_COLUMNS = ("path", "name", "mpp", "magnification", "mask")
_SHOWN = 5


@dataclass(frozen=True)
class SlideEntry:
    """One slide to work on, and what a user says about it.

    Attributes:
        path: The file.
        name: What results are called.
        mpp: Micrometres per pixel of level 0, in place of what the file says.
        magnification: Of level 0, likewise.
        mask: Picture of where to look.
    """

    path: Path
    name: str
    mpp: float | None = None
    magnification: float | None = None
    mask: Path | None = None


def find_slides(source: str | Path | Sequence[str | Path]) -> list[SlideEntry]:
    """List the slides that are meant.

    A file is taken whatever its suffix; of a folder (not of its subfolders) and of a pattern the
    files with a slide's or picture's suffix, hidden ones left out. The pictures that belong to a
    ``.vms`` or ``.vmu`` file are left out, and of the files of a DICOM series one is taken. A
    ``.csv`` is a list with the columns path and, where wanted, name, mpp, magnification and mask;
    its paths are seen from its folder.

    Args:
        source: A file, a folder, a pattern such as ``scans/*.svs``, a ``.csv``, or a list of these.

    Returns:
        Sorted by path, each file once; those of a ``.csv`` in its order.

    Raises:
        FileNotFoundError: If there is no such file or folder, or nothing fits.
        SlideError: If rows of a ``.csv`` are bad, all of them named, or two slides have one name.
    """
    sources = [source] if isinstance(source, str | Path) else list(source)
    if not sources:
        raise SlideError("the list of slides is empty: give a file, a folder, a pattern or a csv")
    listed = [Path(one) for one in sources if _is_list(one)]
    entries = [entry for path in listed for entry in _read_list(path)]
    found = {
        path.resolve(): path
        for one in sources
        if not _is_list(one)
        for path in expand(one, SLIDE_SUFFIXES)
    }
    paths = _one_of_each_series(_without_parts(sorted(found.values())))
    entries += [SlideEntry(path, slide_name(path)) for path in paths]
    _refuse_same_name(entries)
    return entries


def _is_list(source: str | Path) -> bool:
    return Path(source).suffix.lower() == ".csv" and Path(source).is_file()


def _read_list(path: Path) -> list[SlideEntry]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        columns = [name.strip().lower() for name in reader.fieldnames or []]
        reader.fieldnames = columns
        unknown = sorted(set(columns) - set(_COLUMNS))
        if "path" not in columns or unknown:
            raise SlideError(
                f"{path} has the columns {columns}, expected path and, where wanted,"
                f" {', '.join(_COLUMNS[1:])}"
            )
        entries, wrong = [], []
        for row in reader:
            values = {key: (row.get(key) or "").strip() for key in columns}
            if not any(values.values()):
                continue
            try:
                entries.append(_entry(path.parent, values))
            except ValueError as error:
                wrong.append(f"line {reader.line_num}: {error}")
    if wrong or not entries:
        shown = "; ".join(wrong[:_SHOWN]) or "it has no rows"
        raise SlideError(f"{path}: {len(wrong)} bad rows. {shown}. Mend or remove them")
    return entries


def _entry(folder: Path, values: dict[str, str]) -> SlideEntry:
    if not values["path"]:
        raise ValueError("path is empty")
    files = {key: folder / values[key] for key in ("path", "mask") if values.get(key)}
    for key, file in files.items():
        if not file.is_file():
            raise ValueError(f"{key}: there is no file {file}")
    numbers = {key: as_number(values.get(key)) for key in ("mpp", "magnification")}
    mpp, magnification = numbers["mpp"], numbers["magnification"]
    if mpp is not None and not is_plausible(mpp):
        raise ValueError(f"mpp {values['mpp']!r} is no number of micrometres per pixel, as 0.25")
    if magnification is not None and not magnification > 0:
        raise ValueError(f"magnification {values['magnification']!r} is no number such as 40")
    name = values.get("name") or slide_name(files["path"])
    if Path(name).name != name or name == "..":
        raise ValueError(f"name {name!r} leads to another folder")
    return SlideEntry(files["path"], name, mpp, magnification, files.get("mask"))


def _without_parts(paths: Sequence[Path]) -> list[Path]:
    """Leave out the JPEG files that a Hamamatsu VMS or VMU file is made of."""
    heads = [path for path in paths if path.suffix.lower() in (".vms", ".vmu")]
    text = {path: path.read_text(errors="replace") for path in heads}
    return [
        path
        for path in paths
        if path in text or not any(h.parent == path.parent and path.name in text[h] for h in heads)
    ]


def _one_of_each_series(paths: Iterable[Path]) -> list[Path]:
    """Of DICOM files keep the first level of each series, and those that are no slides."""
    kept, seen = [], set()
    for path in paths:
        if path.suffix.lower() == ".dcm":
            series = _series(path)
            if series is not None and (series in seen or not is_level(path, series[1])):
                continue
            seen.add(series)
        kept.append(path)
    return kept


def _series(path: Path) -> tuple[Path, str] | None:
    try:
        header = read_header(path)
    except ValueError:
        return None  # said when it is opened
    return path.parent, str(header.get("SeriesInstanceUID"))


def _refuse_same_name(entries: Sequence[SlideEntry]) -> None:
    by_name: dict[str, list[Path]] = defaultdict(list)
    for entry in entries:
        by_name[entry.name].append(entry.path)
    twins = [paths for paths in by_name.values() if len(paths) > 1]
    if twins:
        shown = "; ".join(" and ".join(map(str, paths)) for paths in twins[:_SHOWN])
        raise SlideError(
            f"{len(twins)} names stand for more than one slide, so results would overwrite each"
            f" other: {shown}. Rename them, run them apart, or list them in a .csv with the columns"
            " path and name"
        )
