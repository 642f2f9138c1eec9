"""A label map -> what is known of each object: box, centroid, outline, class."""

from __future__ import annotations

import cv2
import numpy as np

from histoseg.contracts import Array, Instances
from histoseg.ops.instance_pixels import InstancePixels, instance_pixels, majority

Boxes = list[tuple[slice, slice]]


def instances_from_labels(
    labels: Array, semantic: Array | None = None, foreground: Array | None = None
) -> Instances:
    """Describe each object of a label map.

    Every id of the map gets a row, also an object one pixel wide, whose contour has one or two
    points and bounds no area. An object in several pieces gets the outline of the piece with the
    largest one. Holes are not outlined.

    Time grows with the number of pixels, not with objects times pixels.

    Args:
        labels: Label map (H, W), any integer type. 0 is background; ids need not be contiguous.
        semantic: Class of each pixel (H, W), integers 0..K. The pixels of an object vote.
        foreground: Probability of foreground (H, W), float in [0, 1]; its mean is the score
            where there is no ``semantic``.

    Returns:
        The objects in ascending order of ids. Without ``semantic`` their class is 0; without
        ``foreground`` too (a drawn annotation) their score is 1.

    Raises:
        ValueError: If ``labels`` is not a map of integers >= 0, or shapes disagree.

    Source:
        Class vote, centroid and contour as in Graham et al. 2019 (vqdang/hover_net,
        ``post_proc.py``), value for value. It leaves objects with contours of fewer than three
        points out of its list but not out of its map; here the two always agree.

    Example:
        >>> found = instances_from_labels(np.array([[0, 7, 7], [0, 7, 7]]))
        >>> found.ids, found.centroid_xy, found.box_xyxy
        (array([7], dtype=int32), array([[1.5, 0.5]]), array([[1, 0, 3, 2]], dtype=int32))
    """
    pixels = instance_pixels(labels)
    boxes = pixels.boxes()
    kind, score = _kind_and_score(pixels, semantic, foreground)
    return Instances(
        labels=labels.astype(np.int32, copy=False),
        ids=pixels.ids,
        semantic=kind,
        score=score.astype(np.float32),
        centroid_xy=pixels.centroids(boxes),
        box_xyxy=np.array(
            [(x.start, y.start, x.stop, y.stop) for y, x in boxes], dtype=np.int32
        ).reshape(-1, 4),
        contour_xy=_contours(pixels.row_map, boxes),
    )


def _kind_and_score(
    pixels: InstancePixels, semantic: Array | None, foreground: Array | None
) -> tuple[Array, Array]:
    if semantic is not None:
        return majority(pixels.votes(semantic))
    no_class = np.zeros(len(pixels), dtype=np.int32)
    if foreground is None:
        return no_class, np.ones(len(pixels))
    if foreground.shape != pixels.row_map.shape:
        raise ValueError(
            f"foreground is {foreground.shape}, the label map {pixels.row_map.shape}; "
            "give both for the same region"
        )
    probability = foreground.ravel()[pixels.pixel]
    return no_class, np.bincount(pixels.row, probability, len(pixels)) / pixels.area


def _contours(row_map: Array, boxes: Boxes) -> tuple[Array, ...]:
    outlines = []
    for row, box in enumerate(boxes, start=1):
        found, _ = cv2.findContours(
            (row_map[box] == row).view(np.uint8),
            cv2.RETR_EXTERNAL,
            cv2.CHAIN_APPROX_SIMPLE,
            offset=(box[1].start, box[0].start),
        )
        outline = found[0] if len(found) == 1 else max(found, key=cv2.contourArea)
        outlines.append(outline[:, 0])
    return tuple(outlines)


def rows_of(found: Instances, keep: Array) -> Instances:
    """Some of the objects; the others leave the label map too.

    Args:
        found: Of a region.
        keep: (N,), bool.

    Returns:
        The objects to keep, with their ids.
    """
    table = np.zeros(int(found.labels.max(initial=0)) + 1, dtype=np.int32)
    table[found.ids[keep]] = found.ids[keep]
    return Instances(
        labels=table.take(found.labels),
        ids=found.ids[keep],
        semantic=found.semantic[keep],
        score=found.score[keep],
        centroid_xy=found.centroid_xy[keep],
        box_xyxy=found.box_xyxy[keep],
        contour_xy=tuple(found.contour_xy[i] for i in np.flatnonzero(keep)),
    )
