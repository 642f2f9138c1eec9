"""Two folders of drawn tissue that do not belong together."""

from pathlib import Path

from PIL import Image

from fakes.discs import discs
from histoseg.contracts import Array

SUFFIXES = ("png", "JPG", "bmp", "tif", "ppm", "TIFF", "jpeg")


def picture(number: int, height: int, width: int, colour: tuple[int, int, int]) -> Array:
    image, instances = discs(number, height, width, 6)
    image[instances > 0] = colour
    return image


def write(root: Path, ihc: int = 5, he: int = 7, side: int = 48) -> Path:
    """Pictures of different sizes and formats: ``ihc`` brown, ``he`` violet."""
    for stain, count, colour in (("ihc", ihc, (120, 70, 40)), ("he", he, (90, 40, 140))):
        folder = root / stain
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image = picture(number, side + number, side + 8, colour)
            suffix = SUFFIXES[number % len(SUFFIXES)]
            Image.fromarray(image).save(folder / f"{stain}{number}.{suffix}")
    return root
