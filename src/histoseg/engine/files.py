"""Which annotation files are meant."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

OURS = frozenset({"type_info.json", "done.json", "metrics.json", "environment.json"})
"""JSON files of ours that hold no nuclei."""


def annotation_files(source: str, suffixes: tuple[str, ...]) -> list[Path]:
    """List files.

    Args:
        source: A file, whatever its suffix; a folder, of which (not of its subfolders) the files
            with one of ``suffixes`` are taken; or a pattern.
        suffixes: Lower case, with the dot.

    Returns:
        Paths, sorted.

    Raises:
        FileNotFoundError: If there are none.
    """
    path = Path(source)
    if path.is_file():
        return [path]
    if path.is_dir():
        found: Iterable[Path] = path.iterdir()
    else:
        found = map(Path, glob.glob(str(source), recursive=True))  # noqa: PTH207  absolute ones too
    chosen = sorted(
        p
        for p in found
        if p.is_file()
        and p.suffix.lower() in suffixes
        and not p.name.startswith(".")
        and p.name not in OURS
    )
    if not chosen:
        raise FileNotFoundError(
            2, f"there is no file, or none that ends in {', '.join(suffixes)}", str(source)
        )
    return chosen
