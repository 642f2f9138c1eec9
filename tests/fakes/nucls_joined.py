from pathlib import Path

import numpy as np
from PIL import Image

from fakes.discs import discs

TILES = 5


def write(root: Path) -> Path:
    """Five tiles; nucleus k has class k % 4, nucleus 1 no point, and one point is far from all."""
    segmented = root / "Example-Segmentation" / "train"
    detected = root / "Example-Detection" / "train" / "labels"
    for folder in (segmented / "images", segmented / "labels", detected):
        folder.mkdir(parents=True)
    for number in range(TILES):
        image, instances = discs(number, 64, 64, 6)
        Image.fromarray(image).save(segmented / "images" / f"train_{number}.png")
        maps = {"inst_map": instances.astype(np.uint32), "type_map": instances.astype(np.uint32)}
        np.save(segmented / "labels" / f"train_{number}.npy", np.array(maps, dtype=object))
        rows = []
        for label in range(2, 7):
            y, x = (axis.mean() for axis in np.nonzero(instances == label))
            rows.append(f"{round(x)},{round(y)},{label % 4}")
        (detected / f"train_{number}.csv").write_text("\n".join([*rows, "0,63,1"]) + "\n")
    return root
