"""HoverWatershed against the published steps written down one by one.

The plain way runs first, with the allocator as it is; ours as `predict` runs it, keeping freed
memory. The largest region is for linearity alone: the plain way would need minutes.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from _cases import report, seconds
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from histoseg.contracts import Instances
from histoseg.engine.memory import keep_freed_memory
from histoseg.postprocess import HoverWatershed

Array = NDArray[Any]
CLASSES, REACH = 5, 16  # px that an ellipse reaches at most
SIZES = {1000: (800, 3.0), 2048: (3300, 6.0)}  # side: nuclei, goal
LARGEST, MANY = 4096, 13_000
LINEAR = 1.25  # a megapixel may cost so much more in the largest region than in the smallest


def clumped_nuclei(rng: np.random.Generator, size: int, count: int) -> Array:
    """Ellipses of radius 6 to 12 pixels; a third of them lean on an earlier one: (H, W), int32."""
    labels = np.zeros((size + 2 * REACH, size + 2 * REACH), dtype=np.int32)
    centres = rng.uniform(0, size, (count, 2))
    for number in range(1, count + 1):
        if number > 1 and rng.random() < 0.35:
            angle = rng.uniform(0, 2 * np.pi)
            lean = 14 * np.array([np.cos(angle), np.sin(angle)])
            centres[number - 1] = (centres[rng.integers(number - 1)] + lean).clip(0, size - 1)
        drawn = np.zeros((2 * REACH + 1, 2 * REACH + 1), dtype=np.uint8)
        axes = rng.integers(6, 13, 2).tolist()
        cv2.ellipse(drawn, (REACH, REACH), axes, rng.uniform(0, 180), 0, 360, 1, -1)
        x, y = centres[number - 1].astype(int)
        there = labels[y : y + 2 * REACH + 1, x : x + 2 * REACH + 1]
        there[(drawn > 0) & (there == 0)] = number
    return labels[REACH:-REACH, REACH:-REACH].copy()


def noisy_maps(labels: Array, rng: np.random.Generator) -> dict[str, Array]:
    """What a fair network might say of these nuclei."""
    position = np.indices(labels.shape)[::-1].astype(float)
    hv = np.zeros(position.shape)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        inside = labels[box] == number
        for axis in (0, 1):
            offset = position[axis][box] - position[axis][box][inside].mean()
            hv[axis][box][inside] = (offset / max(abs(offset[inside]).max(), 1))[inside]
    hv = [cv2.GaussianBlur(m + rng.normal(0, 0.1, m.shape), (0, 0), 1) for m in hv]
    foreground = cv2.GaussianBlur((labels > 0) + rng.normal(0, 0.15, labels.shape), (0, 0), 1.2)
    classes = np.where(labels > 0, labels % CLASSES + 1, 0)
    classes = np.where(
        rng.random(labels.shape) < 0.06, rng.integers(0, CLASSES + 1, labels.shape), classes
    )
    return {
        "np": foreground.clip(0, 1).astype(np.float32)[None],
        "hv": np.stack(hv).astype(np.float32),
        "tp": np.stack([classes == k for k in range(CLASSES + 1)]).astype(np.float32),
    }


def drop_small(labels: Array, least: int) -> Array:
    small = np.bincount(labels.ravel()) < least
    labels[small[labels]] = 0
    return labels


def plain_segment(probability: Array, hv: Array) -> Array:
    def unit(array: Array) -> Array:
        return cv2.normalize(array, None, 0, 1, cv2.NORM_MINMAX, cv2.CV_32F)

    blobs = drop_small(ndimage.label(probability >= 0.5)[0], 10)
    inside = (blobs > 0).astype(np.int32)
    across = 1 - unit(cv2.Sobel(unit(hv[0]), cv2.CV_64F, 1, 0, ksize=21))
    down = 1 - unit(cv2.Sobel(unit(hv[1]), cv2.CV_64F, 0, 1, ksize=21))
    edges = np.maximum(across, down) - (1 - inside)
    edges[edges < 0] = 0
    landscape = -cv2.GaussianBlur((1.0 - edges) * inside, (3, 3), 0)
    cores = inside - (edges >= 0.4)
    cores[cores < 0] = 0
    filled = ndimage.binary_fill_holes(cores).astype(np.uint8)
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    opened = cv2.morphologyEx(filled, cv2.MORPH_OPEN, ellipse)
    return watershed(landscape, drop_small(ndimage.label(opened)[0], 10), mask=inside)


def plain_nuclei(maps: dict[str, Array]) -> tuple[Array, list[dict[str, Any]]]:
    labels = plain_segment(maps["np"][0], maps["hv"])
    classes = maps["tp"].argmax(axis=0)
    nuclei = []
    for number in np.unique(labels):
        if number == 0:
            continue
        whole = labels == number
        rows, cols = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
        y, x = rows[0], cols[0]
        box = (slice(y, rows[-1] + 1), slice(x, cols[-1] + 1))
        mask = whole[box].astype(np.uint8)
        contour = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[0][0][:, 0]
        moments = cv2.moments(mask)
        kinds, counts = np.unique(classes[box][mask > 0], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        best = order[1] if kinds[order[0]] == 0 and len(order) > 1 else order[0]
        nuclei.append(
            {
                "id": number,
                "box": [x, y, cols[-1] + 1, rows[-1] + 1],
                "centroid": [
                    moments["m10"] / moments["m00"] + x,
                    moments["m01"] / moments["m00"] + y,
                ],
                "contour": np.add(contour, [x, y]),
                "class": kinds[best],
                "share": counts[best] / (mask.sum() + 1e-6),
            }
        )
    return labels, nuclei


def check_equal(plain: tuple[Array, list[dict[str, Any]]], ours: Instances) -> None:
    labels, nuclei = plain
    assert np.array_equal(labels, ours.labels)
    assert [n["id"] for n in nuclei] == ours.ids.tolist()
    for row, nucleus in enumerate(nuclei):
        assert nucleus["box"] == ours.box_xyxy[row].tolist()
        assert nucleus["centroid"] == ours.centroid_xy[row].tolist()
        assert np.array_equal(nucleus["contour"], ours.contour_xy[row])
        assert nucleus["class"] == ours.semantic[row]
        assert np.float32(nucleus["share"]) == ours.score[row]


def region(size: int, count: int) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return noisy_maps(clumped_nuclei(rng, size, count), rng)


def main() -> None:
    hover = HoverWatershed()
    plain, ours = {}, {}
    for size, (count, _) in SIZES.items():
        maps = region(size, count)
        check_equal(plain_nuclei(maps), hover(maps))
        (plain[size],) = seconds(lambda maps=maps: plain_nuclei(maps), repeats=1 + 2000 // size)
    keep_freed_memory()
    for size, (count, goal) in SIZES.items():
        maps = region(size, count)
        (ours[size],) = seconds(lambda maps=maps: hover(maps), repeats=7)
        name = f"hover post-processing, {size} px"
        report(name, 1000 * plain[size], 1000 * ours[size], "ms", goal=goal)
    maps = region(LARGEST, MANY)
    (largest,) = seconds(lambda: hover(maps), repeats=3)
    smallest = min(SIZES)
    per_pixel = [1e9 * ours[smallest] / smallest**2, 1e9 * largest / LARGEST**2]
    name = f"  a megapixel, {smallest} and {LARGEST} px"
    report(name, *per_pixel, "ms/MP", goal=1 / LINEAR)


if __name__ == "__main__":
    main()
