from pathlib import Path

import tifffile

from fakes import aperio, kumar
from fakes.discs import discs

KNOWN = ("TCGA-A7-A13E-01Z-00-DX1", "TCGA-18-5592-01Z-00-DX1")  # of which the organ is known


def write(root: Path) -> Path:
    """The two unzipped archives: training in two folders, test in one that mixes tif and xml."""
    names = [*KNOWN, "TCGA-XX-0001-01Z-00-DX1", "TCGA-XX-0001-01Z-00-DX2"]
    kumar.write_xml(root / "MoNuSeg 2018 Training Data" / "MoNuSeg 2018 Training Data", names)
    folder = root / "MoNuSegTestData" / "MoNuSegTestData"
    folder.mkdir(parents=True)
    for number in (7, 8):
        picture, instances = discs(number, 72, 80, 6)
        tifffile.imwrite(folder / f"TCGA-T-{number}.tif", picture)
        aperio.write(folder / f"TCGA-T-{number}.xml", instances)
    return root
