from __future__ import annotations

import glob
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".ppm")
"""What `histoseg.slides.read_image` reads, as files are usually called."""


def find_images(source: str | Path | Sequence[str | Path]) -> list[Path]:
    """List the pictures that are meant.

    A file is taken whatever its suffix; of a folder (not of its subfolders) and of a pattern the
    files with a picture's suffix, hidden ones left out. ``**`` in a pattern reaches subfolders.

    Args:
        source: A file, a folder, a pattern such as ``scans/*.png``, or a list of these.

    Returns:
        Paths, sorted, each file once.

    Raises:
        FileNotFoundError: If there is no such file or folder, or nothing fits.
        ValueError: If the list is empty, or two files have the same stem: results are named by it.
    """
    if isinstance(source, (str, Path)):
        found = expand(source)
    else:
        found = [path for one in source for path in expand(one)]
        if not found:
            raise ValueError("the list of pictures is empty: give a file, a folder or a pattern")
    once = {path.resolve(): path for path in sorted(found, reverse=True)}
    paths = sorted(once.values())
    _refuse_same_stem(paths)
    return paths


def expand(source: str | Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> list[Path]:
    """The files that a file, a folder or a pattern stands for; those with one of the suffixes.

    Raises:
        FileNotFoundError: If there are none.
    """
    path = Path(source)
    if path.is_file():
        return [path]
    if path.is_dir():
        return _pictures(path.iterdir(), f"folder {path}", suffixes)
    if glob.has_magic(str(source)):
        found = glob.glob(str(source), recursive=True)  # noqa: PTH207  Path.glob takes no absolute pattern
        return _pictures(map(Path, found), f"pattern {source}", suffixes)
    raise FileNotFoundError(
        f"there is no file or folder {source} (seen from {Path.cwd()}): give a picture, a folder of"
        " pictures or a pattern such as 'scans/*.png'"
    )


def _pictures(paths: Iterable[Path], where: str, suffixes: tuple[str, ...]) -> list[Path]:
    every = [path for path in paths if path.is_file() and not path.name.startswith(".")]
    pictures = [path for path in every if path.suffix.lower() in suffixes]
    if not pictures:
        raise FileNotFoundError(
            f"the {where} has {len(every)} files and none ends in {', '.join(suffixes)}"
        )
    return pictures


def _refuse_same_stem(paths: Sequence[Path]) -> None:
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        by_stem[path.stem].append(path)
    twins = [group for group in by_stem.values() if len(group) > 1]
    if twins:
        shown = "; ".join(" and ".join(map(str, group)) for group in twins[:3])
        raise ValueError(
            f"{len(twins)} names stand for more than one file, so results would overwrite each"
            f" other: {shown}. Rename them or run them apart"
        )
