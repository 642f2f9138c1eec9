from pathlib import Path

import numpy as np

from fakes.discs import discs

CLASSES = ("neutrophil", "epithelial", "lymphocyte", "plasma", "eosinophil", "connective")
SOURCES = ("consep_1", "crag_2", "crag_3", "dpath_4", "glas_5")
PATCHES = 2  # of each source


def write(root: Path, size: int = 96) -> Path:
    """Ten patches of five images; counts as the challenge counts, in the middle only."""
    root.mkdir(parents=True, exist_ok=True)
    names = [f"{source}-{n:04d}" for source in SOURCES for n in range(PATCHES)]
    pairs = [discs(n, size, size, 8) for n in range(len(names))]
    kinds = [np.where(nuclei > 0, 1 + nuclei % 6, 0) for _, nuclei in pairs]
    np.save(root / "images.npy", np.stack([image for image, _ in pairs]))
    labels = [np.dstack([n, k]) for (_, n), k in zip(pairs, kinds, strict=True)]
    np.save(root / "labels.npy", np.stack(labels).astype(np.uint16))
    lines = [",".join(CLASSES)]
    for (_, nuclei), kind in zip(pairs, kinds, strict=True):
        middle = nuclei[16:-16, 16:-16] * (kind[16:-16, 16:-16] > 0)
        of = [1 + label % 6 for label in np.unique(middle) if label]
        lines.append(",".join(str(of.count(k)) for k in range(1, 7)))
    (root / "counts.csv").write_text("\n".join(lines) + "\n")
    (root / "patch_info.csv").write_text("\n".join(["patch_info", *names]) + "\n")
    return root
