"""What other programs would make of a file."""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from histoseg.engine.files import annotation_files
from histoseg.writers import geojson_problems

SUFFIXES = (".geojson", ".json", ".gz")


def check(cfg: DictConfig) -> int:
    """Say what QuPath would drop or refuse in GeoJSON files, on standard output.

    Args:
        cfg: Composed from ``conf/check.yaml``.

    Returns:
        How many problems there are.

    Raises:
        FileNotFoundError: If there are no files.
    """
    total = 0
    for path in annotation_files(cfg.input, SUFFIXES):
        count = 0
        for count, problem in enumerate(geojson_problems(path), start=1):
            if count <= cfg.most:
                sys.stdout.write(f"{path}: {problem}\n")
        if count > cfg.most:
            sys.stdout.write(f"{path}: and {count - cfg.most} more\n")
        sys.stdout.write(f"{path}: {count or 'no'} problems\n")
        total += count
    return total
