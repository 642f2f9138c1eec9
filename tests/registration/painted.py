"""One tissue in two stains, painted: blue nuclei on light glass, the same nuclei glowing."""

import cv2
import numpy as np

from histoseg.contracts import Array
from histoseg.ops.stain import STAIN_VECTORS, od_to_rgb
from histoseg.registration import move, similarity

SIDE = 256


def nuclei(seed: int, side: int = SIDE) -> Array:
    """How much nucleus each pixel holds: (side, side), float32 in [0, 1]."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((side, side), np.uint8)
    for _ in range(side * side // 900):
        x, y = rng.integers(0, side, 2).tolist()
        axes = rng.integers(5, 10, 2).tolist()
        shade = int(rng.integers(120, 256))
        cv2.ellipse(picture, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, shade, -1)
    return cv2.GaussianBlur(picture, (0, 0), 1.0).astype(np.float32) / 255


def brightfield(amount: Array, seed: int = 0) -> Array:
    """As light through hematoxylin: (H, W, 3), uint8."""
    rng = np.random.default_rng(seed)
    eosin = 0.15 + 0.05 * cv2.GaussianBlur(
        rng.standard_normal(amount.shape).astype(np.float32), (0, 0), 6
    )
    od = amount[..., None] * STAIN_VECTORS[0] + eosin[..., None] * STAIN_VECTORS[1]
    noise = rng.normal(0, 0.01, od.shape)
    return np.rint(np.clip(od_to_rgb(od) + noise, 0, 1) * 255).astype(np.uint8)


def fluorescence(amount: Array, seed: int = 1) -> Array:
    """As glowing in the dark, another texture: (H, W, 3), uint8, gray."""
    rng = np.random.default_rng(seed)
    texture = 1 + 0.2 * cv2.GaussianBlur(
        rng.standard_normal(amount.shape).astype(np.float32), (0, 0), 2
    )
    light = 0.05 + 0.7 * np.sqrt(amount) * texture + rng.normal(0, 0.01, amount.shape)
    return np.repeat(np.rint(np.clip(light, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)


def random_affine(seed: int, size: tuple[int, int], shift: float = 0.2) -> Array:
    """Turn to 30 degrees, scale 0.8 to 1.25, shift to 20 %, some shear: (3, 3), to the moving."""
    rng = np.random.default_rng(seed)
    height, width = size
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    away = centre + rng.uniform(-shift, shift, 2) * (width, height)
    scale = float(np.exp(rng.uniform(np.log(0.8), np.log(1.25))))
    whole = similarity(float(rng.uniform(-30, 30)), scale, tuple(centre), tuple(away))
    shear = np.eye(3)
    shear[:2, :2] += rng.uniform(-0.03, 0.03, (2, 2))
    shear[:2, 2] = centre - shear[:2, :2] @ centre
    return np.asarray(whole @ shear)


def moved(picture: Array, matrix: Array) -> Array:
    """The picture under a matrix: pixel ``matrix @ p`` of the result is pixel p."""
    return np.asarray(
        cv2.warpAffine(picture, matrix[:2], picture.shape[1::-1], flags=cv2.INTER_CUBIC)
    )


def landmarks_csv(matrix: Array, points: list[tuple[float, float]]) -> str:
    """Points of the fixed picture and where the matrix brings them, as a file."""
    there = move(matrix, np.array(points))
    rows = [f"{x},{y},{u},{v}" for (x, y), (u, v) in zip(points, there.tolist(), strict=True)]
    return "\n".join(["fixed_x,fixed_y,moving_x,moving_y", *rows]) + "\n"
