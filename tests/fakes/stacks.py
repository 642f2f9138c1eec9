"""Channel stacks in the layout of loading codes: 16 planes of discs."""

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from fakes.discs import discs
from histoseg.contracts import Array

PLANES = 16


def stack(number: int, height: int = 80, width: int = 72, cells: int = 6) -> tuple[Array, Array]:
    """Planes (16, H, W), uint16, and the mask (H, W), uint8. Plane k has cells of 100 (k + 1)."""
    noise = np.random.default_rng(number).integers(0, 20, (PLANES, height, width))
    inside = discs(number, height, width, cells)[1] > 0 if cells else np.zeros((height, width))
    planes = noise + 100 * np.arange(1, PLANES + 1)[:, None, None] * inside
    return planes.astype(np.uint16), inside.astype(np.uint8)


def write(root: Path, images: int = 8, height: int = 80, width: int = 72) -> Path:
    """Stacks in two sub-folders of cells and in one without, each with its mask; codes.txt."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "codes.txt").write_text("Background\nCell\n")
    for number in range(images):
        planes, mask = stack(number, height, width, 0 if number % 4 == 3 else 6)
        suffix = ".ome.tif" if number % 2 else ".tif"
        put(root, f"day{number}/s{number}", planes, mask, suffix)
    return root


def put(root: Path, name: str, planes: Array, mask: Array | None, suffix: str = ".tif") -> None:
    """One stack, and its mask if there is one."""
    image = root / "FullImage" / f"{name}{suffix}"
    image.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(image, planes, photometric="minisblack", metadata={"axes": "CYX"})
    if mask is not None:
        path = root / "Mask_Norm" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
