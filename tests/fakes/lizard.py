from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from fakes.discs import discs

STEMS = ("crag_1", "consep_3", "dpath_2", "glas_4", "pannuke_5", "pannuke_6")


def write(root: Path) -> Path:
    """Six images in two folders, two of each fold; ids skip, and nucleus k has class 1 + k % 6."""
    labels = root / "Lizard_Labels" / "Labels"
    labels.mkdir(parents=True)
    table = "Filename,Source,Split\n"
    for number, stem in enumerate(STEMS):
        folder = root / f"Lizard_Images{1 + number % 2}"
        folder.mkdir(exist_ok=True)
        image, instances = truth(number)
        Image.fromarray(image).save(folder / f"{stem}.png")
        write_mat(labels / f"{stem}.mat", instances)
        table += f"{stem},{stem.split('_')[0]},{1 + number % 3}\n"
    (root / "Lizard_Labels" / "info.csv").write_text(table)
    return root


def truth(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Image and instances; every other id is missing."""
    image, instances = discs(number, 72, 80, 6)
    return image, 2 * instances


def write_mat(path: Path, instances: np.ndarray) -> None:
    """The aligned lists, in no order of ids, whole numbers as doubles as MATLAB has them."""
    ids = np.unique(instances[instances > 0])[::-1]
    lists = {"id": ids, "class": 1 + ids % 6, "bbox": np.zeros((len(ids), 4))}
    columns = {key: np.asarray(value, float).reshape(len(ids), -1) for key, value in lists.items()}
    savemat(path, {"inst_map": instances.astype(float), **columns})
