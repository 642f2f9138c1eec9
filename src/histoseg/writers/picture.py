"""Pictures as PNG."""

from __future__ import annotations

from pathlib import Path

import cv2

from histoseg.contracts import Array
from histoseg.writers.files import whole_file


def write_png(path: Path, picture: Array) -> Path:
    """Write a picture (H, W, 3), uint8 RGB, whole or not at all.

    Raises:
        OSError: If it cannot be written; says what to do.
    """
    _, png = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    with whole_file(path) as file:
        file.write(png.tobytes())
    return path


def write_gray(path: Path, values: Array) -> Path:
    """Write a map (H, W), uint8, whole or not at all, as numbers: classes stay what they are.

    Raises:
        OSError: If it cannot be written; says what to do.
    """
    _, png = cv2.imencode(".png", values)
    with whole_file(path) as file:
        file.write(png.tobytes())
    return path


def worst_name(place: int, image: str) -> str:
    """Name the picture of one of the worst images, the worst first: ``00_A.1.png``."""
    return f"{place:02d}_{image.replace('/', '_')}.png"
