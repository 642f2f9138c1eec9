from pathlib import Path

import numpy as np

from fakes.discs import discs


def write(root: Path, typed: bool = True, count: int = 3, side: int = 64) -> Path:
    """``.npy`` files as of the original's extraction: ``{train,valid}/540x540_164x164/*.npy``."""
    for number, split in enumerate(("train", "valid")):
        folder = root / split / "540x540_164x164"
        folder.mkdir(parents=True)
        for index in range(count):
            image, instances = discs(10 * number + index, side, side)
            layers = [*np.moveaxis(image, -1, 0), instances]
            layers += [np.where(instances > 0, 1 + instances % 2, 0)] if typed else []
            name = f"{split}_1_{index:03d}.npy"
            np.save(folder / name, np.stack(layers, axis=-1).astype(np.int32))
    return root
