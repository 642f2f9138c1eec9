from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from histoseg.annotations.drawing import Dropped, Shape

HOLDS = 3  # a cell holds its nucleus, and no nucleus holds three others


def without_regions(shapes: Sequence[Shape]) -> tuple[tuple[Shape, ...], tuple[Dropped, ...]]:
    """Leave out what was drawn around objects: regions of interest, tumour beds.

    Args:
        shapes: The objects of one image.

    Returns:
        Shapes that hold the centres of fewer than ``HOLDS`` others or were detected by a program,
        and the rest as dropped.
    """
    areas = [i for i, shape in enumerate(shapes) if shape.kind == "polygon"]
    boxes = [
        shapely.box(*shapes[i].exterior_xy.min(0), *shapes[i].exterior_xy.max(0)) for i in areas
    ]
    centres = shapely.centroid(boxes)
    inner, outer = shapely.STRtree(boxes).query(centres, predicate="within")
    # boxes first, since most hold nothing; then the outlines of the few that might
    might = np.flatnonzero(np.bincount(outer[inner != outer], minlength=len(areas)) >= HOLDS)
    held = dict.fromkeys(might.tolist(), 0)
    for k in might.tolist():
        others = inner[(outer == k) & (inner != k)]
        outline = shapely.make_valid(shapely.Polygon(shapes[areas[k]].exterior_xy))
        held[k] = int(shapely.contains(outline, centres[others]).sum())
    regions = {areas[k]: count for k, count in held.items() if count >= HOLDS}
    regions = {i: count for i, count in regions.items() if not shapes[i].detected}
    kept = tuple(shape for i, shape in enumerate(shapes) if i not in regions)
    return kept, tuple(
        Dropped(shapes[i].where, f"a region around {count} other objects, not an object")
        for i, count in regions.items()
    )
