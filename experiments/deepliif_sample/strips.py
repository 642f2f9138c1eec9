"""Bring the panels of the sample strip onto its IHC panel, and part it for training.

python experiments/deepliif_sample/strips.py <train/Bladder1.png> <folder>

Registered panels, with pictures of how well they lie, come to ``<folder>/registered``; strips to
``<folder>/train`` (left 304 px) and ``<folder>/val`` (right 192 px, no pixel of which is in both).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

STAINS = ("IHC", "Hematoxylin", "DAPI", "Lap2", "Marker", "Seg")
# moving panel -> option that hands it the panels of its frame; each was found to lie with it
FRAMES = {
    "Hematoxylin": "labels={{Seg: {0}/Seg.png}}",
    "DAPI": "others={{Marker: {0}/Marker.png}}",
    "Lap2": None,
}
# side, and (left, top) of squares that lie on all panels once they are registered
SQUARES = {
    "train": (304, [(13, 6), (13, 202)]),
    "val": (192, [(320, 6), (320, 314)]),
}


def main() -> None:
    """Part, register, cut."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    strip, folder = Path(sys.argv[1]), Path(sys.argv[2])
    panels = folder / "panels"
    panels.mkdir(parents=True, exist_ok=True)
    picture = np.asarray(Image.open(strip).convert("RGB"))
    side = picture.shape[0]
    if picture.shape[1] != side * len(STAINS):
        sys.exit(f"{strip} is {picture.shape[1]} x {side} px: expected {len(STAINS)} square panels")
    for i, stain in enumerate(STAINS):
        Image.fromarray(picture[:, i * side : (i + 1) * side]).save(panels / f"{stain}.png")
    found = {"IHC": panels / "IHC.png"}
    for moving, more in FRAMES.items():
        output = folder / "registered" / moving
        words = [
            f"fixed={panels}/IHC.png",
            f"moving={panels}/{moving}.png",
            f"names={{fixed: IHC, moving: {moving}}}",
            f"output={output}",
        ]
        words += [more.format(panels)] if more else []
        subprocess.run([sys.executable, "-m", "histoseg", "register", *words], check=True)
        found |= {path.stem: path for path in (output / "warped").glob("*.png")}
    pictures = [np.asarray(Image.open(found[stain]).convert("RGB")) for stain in STAINS]
    for split, (size, corners) in SQUARES.items():
        (folder / split).mkdir(exist_ok=True)
        for left, top in corners:
            cut = [p[top : top + size, left : left + size] for p in pictures]
            Image.fromarray(np.hstack(cut)).save(folder / split / f"{strip.stem}_{left}_{top}.png")


if __name__ == "__main__":
    main()
