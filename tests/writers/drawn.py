"""A small prediction to write: nuclei at every border, of one pixel, of every form that hurts."""

import cv2
import numpy as np

from histoseg.contracts import Array, Instances, Prediction

CLASSES = ("neoplastic", "dead, or dying")
COLOURS = ((255, 0, 0), (255, 255, 0))


def instances_of(labels: Array, semantic: dict[int, int] | None = None) -> Instances:
    ids = np.unique(labels[labels > 0]).astype(np.int32)
    contours, boxes, centroids = [], [], []
    for key in ids:
        mask = (labels == key).astype(np.uint8)
        found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        contours.append(max(found, key=cv2.contourArea)[:, 0].astype(np.int32))
        y, x = np.nonzero(mask)
        boxes.append((x.min(), y.min(), x.max() + 1, y.max() + 1))
        centroids.append((x.mean(), y.mean()))
    kinds = [(semantic or {}).get(int(key), 0) for key in ids]
    return Instances(
        labels=labels.astype(np.int32),
        ids=ids,
        semantic=np.array(kinds, dtype=np.int32),
        score=np.linspace(0.5, 1, len(ids), dtype=np.float32),
        centroid_xy=np.array(centroids, dtype=np.float64).reshape(-1, 2),
        box_xyxy=np.array(boxes, dtype=np.int32).reshape(-1, 4),
        contour_xy=tuple(contours),
    )


def hard_labels() -> Array:
    labels = np.zeros((40, 60), dtype=np.int32)
    labels[0:5, 10:16] = 2  # top border
    labels[35:40, 20:30] = 3  # bottom border
    labels[12:20, 0:4] = 5  # left border
    labels[12:20, 55:60] = 8  # right border
    labels[39, 59] = 9  # one pixel in the corner
    labels[20, 20] = 11  # one pixel inside
    labels[25, 30:37] = 12  # a line
    labels[[8, 9, 10, 11], [30, 31, 32, 33]] = 20  # a slanted line: pixels meet at corners only
    labels[26:32, 5:11] = 21  # touches 22
    labels[26:32, 11:17] = 22
    yy, xx = np.mgrid[:40, :60]
    labels[(yy - 14) ** 2 + (xx - 44) ** 2 <= 36] = 30  # a disc
    return labels


def prediction_of(labels: Array, typed: bool = True, **changes: object) -> Prediction:
    keys = [int(key) for key in np.unique(labels) if key]
    kinds = {key: i % 3 for i, key in enumerate(keys)} if typed else None
    facts: dict[str, object] = {
        "name": "tile_1",
        "image": np.full((*labels.shape, 3), 200, dtype=np.uint8),
        "instances": instances_of(labels, kinds),
        "classes": CLASSES if typed else (),
        "colours": COLOURS if typed else (),
        "mpp": 0.5,
    }
    return Prediction(**{**facts, **changes})  # type: ignore[arg-type]
