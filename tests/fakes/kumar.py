from pathlib import Path

from fakes.consep import write_pair
from fakes.discs import discs


def write(root: Path, train: int = 4, height: int = 72, width: int = 80) -> Path:
    """``{train,test_same,test_diff}/{Images,Labels}`` with TIFF pictures, no classes."""
    for part, count in (("train", train), ("test_same", 2), ("test_diff", 1)):
        for number in range(count):
            picture, instances = discs(number, height, width, 6)
            write_pair(root / part, f"TCGA-{part}-{number}", picture, instances, suffix=".tif")
    return root
