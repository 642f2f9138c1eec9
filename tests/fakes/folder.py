from pathlib import Path
from typing import Literal

import numpy as np
import tifffile
from PIL import Image
from scipy.io import savemat

from fakes.discs import discs

CLASSES = ("tumour", "other")


def write(
    root: Path,
    kind: Literal["npy", "png", "tif", "mat"] = "npy",
    images: int = 4,
    height: int = 72,
    width: int = 80,
) -> Path:
    """``images/p<k>_<n>.png`` of two patients, ``instances/`` and, but for "mat", ``semantic/``."""
    for folder in ("images", "instances") + (() if kind == "mat" else ("semantic",)):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number in range(images):
        stem = f"p{number % 2}_{number}"
        picture, instances = discs(number, height, width, 6)
        semantic = np.where(instances > 0, 1 + instances % 2, 0).astype(np.uint8)
        Image.fromarray(picture).save(root / "images" / f"{stem}.png")
        if kind == "mat":
            maps = {"inst_map": instances.astype(float), "type_map": semantic.astype(float)}
            savemat(root / "instances" / f"{stem}.mat", maps)
        else:
            _save(root / "instances" / f"{stem}.{kind}", instances.astype(np.uint16))
            _save(root / "semantic" / f"{stem}.{kind}", semantic)
    return root


def _save(path: Path, labels: np.ndarray) -> None:
    if path.suffix == ".npy":
        np.save(path, labels)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, labels)
    else:
        Image.fromarray(labels).save(path)
