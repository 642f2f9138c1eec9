from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from fakes.discs import discs

ORGANS = ("human bladder", "human brain", "mouse liver")
IMAGES = 4  # of each organ
VAGUE = (slice(0, 20), slice(0, 30))


def write(root: Path) -> Path:
    """Three organs of four images; the corner of each is ambiguous, but for the last organ."""
    for number, organ in enumerate(ORGANS):
        for part in ("tissue images", "label masks modify", "vague areas/mask binary"):
            (root / organ / part).mkdir(parents=True)
        for n in range(IMAGES):
            stem = f"{organ.replace(' ', '_')}_{n + 1:02d}"
            image, instances = discs(IMAGES * number + n, 64, 72, 6)
            Image.fromarray(image).save(root / organ / "tissue images" / f"{stem}.png")
            labels = root / organ / "label masks modify" / f"{stem}.tif"
            tifffile.imwrite(labels, instances.astype(np.uint16))
            if organ != ORGANS[-1]:
                vague = np.zeros((64, 72), np.uint8)
                vague[VAGUE] = 255
                path = root / organ / "vague areas" / "mask binary" / f"{stem}.png"
                Image.fromarray(vague).save(path)
    return root
