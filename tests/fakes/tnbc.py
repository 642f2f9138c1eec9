from pathlib import Path

import numpy as np
from PIL import Image

from fakes.discs import discs


def write(root: Path, patients: int = 4, height: int = 72, width: int = 80) -> Path:
    """``Slide_<p>/<p>_<n>.png`` with alpha, ``GT_<p>/<p>_<n>.png`` of 0 and 255, two a patient."""
    for patient in range(1, patients + 1):
        for number in (1, 2):
            name = f"{patient:02d}_{number}.png"
            picture, instances = discs(10 * patient + number, height, width, 6)
            rgba = np.dstack([picture, np.full((height, width), 255, np.uint8)])
            mask = np.where(instances > 0, 255, 0).astype(np.uint8)
            for folder, pixels in (("Slide", rgba), ("GT", mask)):
                path = root / "TNBC_NucleiSegmentation" / f"{folder}_{patient:02d}" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    return root
