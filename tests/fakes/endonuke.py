from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from fakes.discs import discs

TILES = {"ptg1": (1, 2), "stud1": (3, 4, 5)}
LARGE = 2  # the tile that is stored at twice the resolution


def write(root: Path, side: int = 200) -> Path:
    """Five tiles of two annotators; nucleus k is of class k % 3, and one tile is twice as large."""
    dataset = root / "data" / "dataset"
    (dataset / "images").mkdir(parents=True)
    for who, tiles in TILES.items():
        folder = dataset / "labels" / "bulk" / who
        folder.mkdir(parents=True)
        for number in tiles:
            image, instances = discs(number, side, side, 20, radius=8)
            scale = 2 if number == LARGE else 1
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
            Image.fromarray(image).save(dataset / "images" / f"{number}.png")
            rows = []
            for label in range(1, instances.max() + 1):
                y, x = (axis.mean() for axis in np.nonzero(instances == label))
                rows.append(f"{round(x * scale)} {round(y * scale)} {label % 3}")
            (folder / f"{number}.txt").write_text("\n".join(rows) + "\n")
    (dataset / "images" / "99.png").write_bytes((dataset / "images" / "1.png").read_bytes())
    return root
