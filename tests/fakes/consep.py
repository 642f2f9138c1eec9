from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from fakes.discs import discs

RAW_CLASSES = 7


def write(root: Path, train: int = 4, test: int = 2, height: int = 72, width: int = 80) -> Path:
    """``CoNSeP/{Train,Test}/{Images,Labels}``; nucleus k of an image has the stored class k."""
    for folder, count in (("Train", train), ("Test", test)):
        for number in range(1, count + 1):
            name = f"{folder.lower()}_{number}"
            picture, instances = discs(number, height, width, RAW_CLASSES)
            write_pair(root / folder, name, picture, instances, types=instances)
    return root


def write_pair(
    folder: Path,
    name: str,
    picture: np.ndarray,
    instances: np.ndarray,
    types: np.ndarray | None = None,
    suffix: str = ".png",
) -> None:
    """A picture and its MAT file, whole numbers stored as doubles as MATLAB does."""
    for part in ("Images", "Labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(folder / "Images" / f"{name}{suffix}")
    maps = {"inst_map": instances.astype(float)}
    if types is not None:
        maps["type_map"] = types.astype(float)
    savemat(folder / "Labels" / f"{name}.mat", maps)
