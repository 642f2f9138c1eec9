from pathlib import Path

from fakes.consep import write_pair
from fakes.discs import discs


def write(root: Path, train: int = 4, height: int = 72, width: int = 80) -> Path:
    """``{train,test}/{Images,Labels}`` with PNG pictures, no classes."""
    for part, first, count in (("train", 0, train), ("test", train, 2)):
        for number in range(first, first + count):
            picture, instances = discs(number, height, width, 6)
            write_pair(root / part, f"image_{number:02d}", picture, instances)
    return root
