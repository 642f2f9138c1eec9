from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np
import tifffile

from fakes.discs import discs

TRAIN = "MoNuSAC_images_and_annotations"
TEST = "MoNuSAC Testing Data and Annotations"
NAMES = ("Epithelial", "Lymphocyte", "Macrophage", "Neutrophil")
SIZE = (64, 72)
AMBIGUOUS = (slice(40, 64), slice(40, 72))  # of the test patches


def write(root: Path) -> Path:
    """Three patients of training, one with two patches, and two of test; nucleus k has class k % 4.

    A patch comes as TIFF, as SVS, or as both; each class is an annotation of its own.
    """
    for number, (patient, patch, kind) in enumerate(
        [("69-7760", 1, ".tif"), ("69-7760", 2, ".svs"), ("5P-A9K0", 1, ".tif"), ("A2-A0CV", 1, "")]
    ):
        _patch(root / TRAIN / f"TCGA-{patient}-01Z-00-DX1", patch, number, kind)
    for number, patient in enumerate(("2Z-A9JG", "VP-A87E"), start=7):
        _patch(root / TEST / f"TCGA-{patient}-01Z-00-DX1", 1, number, "", ambiguous=True)
    return root


def truth(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, instances and classes of patch ``number``."""
    image, instances = discs(number, *SIZE, 6)
    return image, instances, np.where(instances > 0, 1 + instances % 4, 0)


def _patch(folder: Path, patch: int, number: int, kind: str, ambiguous: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    image, instances, kinds = truth(number)
    stem = folder / f"{folder.name}_{patch}"
    for suffix in (kind,) if kind else (".svs", ".tif"):
        tifffile.imwrite(stem.with_suffix(suffix), image, photometric="rgb")
    outlines: dict[str, list[np.ndarray]] = {}
    for label in range(1, instances.max() + 1):
        name = NAMES[kinds[instances == label][0] - 1]
        outlines.setdefault(name, []).append((instances == label).astype(np.uint8))
    if ambiguous:
        region = np.zeros(SIZE, np.uint8)
        region[AMBIGUOUS] = 1
        outlines["Ambiguous"] = [region]
    write_xml(stem.with_suffix(".xml"), outlines)


def write_xml(path: Path, masks: Mapping[str, list[np.ndarray]]) -> None:
    """Outlines as ImageScope has them: the middle of a pixel is at a half."""
    text = ""
    for name, group in masks.items():
        regions = ""
        for number, mask in enumerate(group, start=1):
            (outline,), _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            rows = "".join(f'<Vertex X="{x + 0.5}" Y="{y + 0.5}" Z="0"/>' for x, y in outline[:, 0])
            regions += f'<Region Id="{number}" Type="0"><Vertices>{rows}</Vertices></Region>'
        attribute = f"<Attributes><Attribute Name={quoteattr(name)} Id='0' Value=''/></Attributes>"
        text += f'<Annotation Id="1" Name="">{attribute}<Regions>{regions}</Regions></Annotation>'
    path.write_text(f'<Annotations MicronsPerPixel="0.252">{text}</Annotations>')
