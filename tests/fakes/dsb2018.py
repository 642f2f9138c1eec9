from pathlib import Path

import numpy as np
from PIL import Image

from fakes.discs import discs


def write(root: Path, images: int = 4, height: int = 72, width: int = 80) -> Path:
    """Image folders named by a hex id, RGBA pictures, one 0/255 mask per nucleus."""
    for number in range(images):
        name = f"{number * 7919 + 11:016x}"
        picture, instances = discs(number, height, width, 5 + number)
        folder = root / name
        (folder / "images").mkdir(parents=True)
        (folder / "masks").mkdir()
        rgba = np.dstack([picture, np.full((height, width), 255, np.uint8)])
        Image.fromarray(rgba).save(folder / "images" / f"{name}.png")
        for label in range(1, instances.max() + 1):
            mask = np.where(instances == label, 255, 0).astype(np.uint8)
            Image.fromarray(mask).save(folder / "masks" / f"{label:04x}.png")
    return root
