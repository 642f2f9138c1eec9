from pathlib import Path

from fakes.consep import write_pair
from fakes.discs import discs


def write(root: Path, images: int = 5, height: int = 72, width: int = 80) -> Path:
    """``cpm15/{Images,Labels}``, no parts and no classes."""
    for number in range(images):
        picture, instances = discs(number, height, width, 6)
        write_pair(root / "cpm15", f"image{number + 1:02d}", picture, instances)
    return root
