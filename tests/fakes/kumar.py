from pathlib import Path

import tifffile

from fakes import aperio
from fakes.consep import write_pair
from fakes.discs import discs


def write(root: Path, train: int = 4, height: int = 72, width: int = 80) -> Path:
    """``{train,test_same,test_diff}/{Images,Labels}`` with TIFF pictures, no classes."""
    for part, count in (("train", train), ("test_same", 2), ("test_diff", 1)):
        for number in range(count):
            picture, instances = discs(number, height, width, 6)
            write_pair(root / part, f"TCGA-{part}-{number}", picture, instances, suffix=".tif")
    return root


def write_xml(root: Path, names: list[str], height: int = 72, width: int = 80) -> Path:
    """``Tissue Images/*.tif`` and ``Annotations/*.xml``, the original release."""
    for folder in ("Tissue Images", "Annotations"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        picture, instances = discs(number, height, width, 6)
        tifffile.imwrite(root / "Tissue Images" / f"{name}.tif", picture)
        aperio.write(root / "Annotations" / f"{name}.xml", instances)
    return root
