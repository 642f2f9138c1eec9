from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from fakes.discs import discs

NAMES = (
    "tumor",
    "correction_lymphocyte",
    "fibroblast",
    "macrophage",
    "unlabeled",
    "plasma_cell",
    "neutrophil",
    "apoptotic_body",
)
SLIDES = ("A1-A0SP", "A2-A0CM", "AR-A1AR", "C8-A12V", "E2-A158")
HEADER = ",raw_classification,main_classification,super_classification,type"
HEADER += ",xmin,ymin,xmax,ymax,coords_x,coords_y"
BOXED = 3  # the nucleus of each image that has no outline
FOV = (slice(6, None), slice(6, None))  # what was annotated


def write(root: Path) -> Path:
    """Five slides of one field of view, each tested by a fold; nucleus k has name k of NAMES."""
    for folder in ("rgb", "csv", "mask", "train_test_splits"):
        (root / folder).mkdir(parents=True)
    for number, slide in enumerate(SLIDES):
        name = field(number)
        image, instances = discs(number, 64, 72, len(NAMES))
        Image.fromarray(image).save(root / "rgb" / f"{name}.png")
        codes = np.zeros((64, 72, 3), np.uint8)
        codes[FOV] = (253, 1, 1)
        codes[instances > 0] = (1, 1, 2)
        Image.fromarray(codes).save(root / "mask" / f"{name}.png")
        (root / "csv" / f"{name}.csv").write_text("\n".join([HEADER, *lines(instances)]) + "\n")
        fold = f",slide_name,hospital,type,fold\n0,TCGA-{slide}-DX1,A1,test,{number + 1}\n"
        (root / "train_test_splits" / f"fold_{number + 1}_test.csv").write_text(fold)
    (root / "csv" / "ALL_FOV_LOCATIONS.csv").write_text(",fovname,xmin\n0,a,1\n")
    return root


def field(number: int) -> str:
    """Name of a field of view."""
    return f"TCGA-{SLIDES[number]}-DX1_id-5ea4_left-{number}_top-1_bottom-2_right-3"


def lines(instances: np.ndarray) -> list[str]:
    """The rows of a table: closed outlines through pixels, and a box for one nucleus."""
    rows = []
    for label in range(1, instances.max() + 1):
        mask = (instances == label).astype(np.uint8)
        (outline,), _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        points, kind = outline[:, 0], "polyline"
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        if label == BOXED:
            points, kind = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]), "rectangle"
        points = np.vstack([points, points[:1]])
        xs, ys = (",".join(map(str, points[:, axis])) for axis in (0, 1))
        name = NAMES[label - 1]
        rows.append(f'{label},{name},m,s,{kind},{x0},{y0},{x1},{y1},"{xs}","{ys}"')
    return rows
