"""Cut the pictures and the slide of the experiment into the two folders of ``data=unpaired``.

python experiments/cyclegan_ihc_he/tiles.py <folder of material> <folder>

The material is ``deepliif_large/ROI_*.png``, ``deepliif_sample/test_cli/*.png`` and
``deepliif_sample/train/Bladder1.png`` (its first panel), IHC of nominally 0.25 um/px, and
``wsi/CMU-1-Small-Region.svs``, H&E of 0.499 um/px. IHC is halved, to the resolution of the slide.
What is held out shares no pixel with what is trained on: the right quarter of each large IHC
region, one whole small picture, and the lower quarter of the slide.
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image

from histoseg.slides import open_slide

SIDE = 160
TISSUE = 0.4  # share of a tile of the slide that is no glass
SMALL = {"22_2": "test", "6_2": "train"}


def main() -> None:
    """Cut both domains."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    material, folder = Path(sys.argv[1]), Path(sys.argv[2])
    for path in sorted((material / "deepliif_large").glob("ROI_*.png")):
        picture = halved(Image.open(path))
        edge = picture.shape[1] * 3 // 4
        save(picture[:, :edge], folder / "ihc" / "train", path.stem)
        save(picture[:, edge:], folder / "ihc" / "test", path.stem)
    for stem, split in SMALL.items():
        picture = Image.open(material / "deepliif_sample" / "test_cli" / f"{stem}.png")
        save(halved(picture), folder / "ihc" / split, stem)
    strip = Image.open(material / "deepliif_sample" / "train" / "Bladder1.png")
    side = strip.height
    save(halved(strip.crop((0, 0, side, side))), folder / "ihc" / "train", "Bladder1")
    with closing(open_slide(material / "wsi" / "CMU-1-Small-Region.svs")) as slide:
        width, height = slide.size
        picture = slide.read(0, 0, width, height)
    edge = height * 3 // 4
    save(picture[:edge], folder / "he" / "train", "CMU-1")
    save(picture[edge:], folder / "he" / "test", "CMU-1")


def halved(picture: Image.Image) -> np.ndarray:
    """Half the resolution, by means of areas."""
    return np.asarray(picture.convert("RGB").reduce(2))


def save(picture: np.ndarray, folder: Path, name: str) -> None:
    """Cut squares of ``SIDE`` px that about cover the picture."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = 0
    for top in corners(picture.shape[0]):
        for left in corners(picture.shape[1]):
            tile = picture[top : top + SIDE, left : left + SIDE]
            if (tile.min(axis=2) < 220).mean() >= TISSUE:
                Image.fromarray(tile).save(folder / f"{name}_{left}_{top}.png")
                kept += 1
    sys.stdout.write(f"{folder}: {kept} of {name}\n")


def corners(length: int) -> list[int]:
    """Starts of squares that cover a length but for a quarter of one: none is nearly another."""
    count = -(-(length - SIDE // 4) // SIDE)
    return np.linspace(0, length - SIDE, count).round().astype(int).tolist()


if __name__ == "__main__":
    main()
