"""Strips in the layout of DeepLIIF, drawn; and the single pictures that strips are made of."""

from pathlib import Path

import numpy as np
from PIL import Image

from histoseg.contracts import Array
from histoseg.data.synthetic_stains import synthetic_stains

SUFFIXES = {
    "ihc": "IHC",
    "hematoxylin": "Hematoxylin",
    "dapi": "DAPI",
    "lap2": "Lap2",
    "marker": "Marker",
    "seg": "Seg",
}


def panels(number: int, size: int = 64) -> dict[str, Array]:
    return synthetic_stains(size, size, number, tissue="tumour", mpp=1.0)["stains"]


def strip(number: int, size: int = 64) -> Array:
    return np.concatenate(list(panels(number, size).values()), axis=1)


def write(root: Path, size: int = 64) -> Path:
    """Two strips to train on, one to validate, one to test."""
    for number, name in enumerate(("train/a", "train/hospital/b", "val/c", "test/d")):
        path = root / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(strip(number, size)).save(path)
    return root


def write_singles(folder: Path, sets: int = 4, size: int = 64) -> Path:
    """One file a stain, named ``s<number>_IHC.png`` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(sets):
        for stain, picture in panels(number, size).items():
            Image.fromarray(picture).save(folder / f"s{number}_{SUFFIXES[stain]}.png")
    return folder
