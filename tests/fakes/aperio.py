from pathlib import Path

import cv2
import numpy as np


def write(path: Path, instances: np.ndarray) -> Path:
    """Outlines of all nuclei, through the middle of their outermost pixels, as ImageScope has them.

    ImageScope counts from the corner of the first pixel, so the middle of a pixel is at a half.
    """
    regions = []
    for label in range(1, int(instances.max()) + 1):
        mask = (instances == label).astype(np.uint8)
        (outline,), _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        rows = "".join(f'<Vertex X="{x + 0.5}" Y="{y + 0.5}" Z="0"/>' for x, y in outline[:, 0])
        regions.append(f'<Region Id="{label}" Type="0"><Vertices>{rows}</Vertices></Region>')
    text = f'<Annotation Id="1"><Regions>{"".join(regions)}</Regions></Annotation>'
    path.write_text(f'<Annotations MicronsPerPixel="0.252">{text}</Annotations>')
    return path
