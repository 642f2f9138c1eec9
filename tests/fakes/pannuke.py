from pathlib import Path
from typing import Literal

import numpy as np

from fakes.discs import discs

TISSUES = ("Breast", "Colon", "Bile-duct", "Kidney")


def write(
    root: Path,
    folds: tuple[int, ...] = (1, 2, 3),
    images: int = 4,
    size: int = 64,
    layout: Literal["official", "flat"] = "official",
    image_dtype: str = "float64",
    mask_dtype: str = "float64",
) -> Path:
    """Folds of small tiles; ids in masks are arbitrary, the last tile of a fold is empty."""
    for fold in folds:
        official = layout == "official"
        picture_dir = root / (f"Fold {fold}/images/fold{fold}" if official else f"fold{fold}")
        mask_dir = root / (f"Fold {fold}/masks/fold{fold}" if official else f"fold{fold}")
        picture_dir.mkdir(parents=True, exist_ok=True)
        mask_dir.mkdir(parents=True, exist_ok=True)
        pictures, masks = [], []
        for row in range(images):
            count = 0 if row == images - 1 else 7
            picture, instances = discs(100 * fold + row, size, size, count)
            planes = np.zeros((size, size, 6))
            for number in range(1, count + 1):
                planes[instances == number, number % 5] = 3 * number + 10
            planes[:, :, 5] = instances == 0
            pictures.append(picture)
            masks.append(planes)
        np.save(picture_dir / "images.npy", np.array(pictures).astype(image_dtype))
        np.save(picture_dir / "types.npy", np.array([TISSUES[i % 4] for i in range(images)]))
        np.save(mask_dir / "masks.npy", np.array(masks).astype(mask_dtype))
    return root
