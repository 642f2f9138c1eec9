from __future__ import annotations

from typing import Any

import albumentations as A  # noqa: N812
import cv2
import numpy as np

from histoseg.contracts import Array

_FLAT = 1e-12
_MOST = 4  # channels that OpenCV warps at once
_FLIP, _SWAP = np.diag([-1.0, 1.0, 1.0]), np.eye(3)[[1, 0, 2]]
_SYMMETRIES = [
    turn @ flip
    for turn in (np.eye(3), _FLIP @ _SWAP, _FLIP @ np.diag([1.0, -1.0, 1.0]), _SWAP @ _FLIP)
    for flip in (np.eye(3), _FLIP)
]


class PerspectiveTile(A.DualTransform):  # type: ignore[misc]  # untyped package
    """Cut a tile in one step with all changes of shape: resize, crop, turn, zoom, perspective.

    The tile lies at a random place; rotation, zoom and perspective act about its middle. What lies
    beyond the image repeats its edge. Everything is one projective map, so pixels are interpolated
    once; maps take the nearest pixel.

    Args:
        size: Side of the square tile, px.
        cover: Whether the image is resized so that its shorter side is that of the tile; else it is
            cut at its own scale.
        rotate: Range in degrees, counter-clockwise.
        zoom: Range of the magnification.
        warp: Range of the perspective, in halves of the tile: by how much each of its four sides
            gets longer or shorter, drawn for each.
        symmetry: Whether the tile is also turned by one of the eight symmetries of the square.
        p: Probability of rotation, zoom and warp, each by itself.

    Raises:
        ValueError: If a setting is out of range.

    Source:
        fastai 1 ``get_transforms``: rotate, zoom and symmetric_warp, padding ``border``.
    """

    def __init__(
        self,
        size: int,
        cover: bool = False,
        rotate: tuple[float, float] = (0, 0),
        zoom: tuple[float, float] = (1, 1),
        warp: tuple[float, float] = (0, 0),
        symmetry: bool = False,
        p: float = 0.75,
    ) -> None:
        super().__init__(p=1)
        if size < 1 or min(zoom) <= 0 or max(map(abs, warp)) >= 1:
            raise ValueError(
                f"size {size} and zoom {zoom} must be positive, and warp {warp} between -1 and 1"
            )
        self.size, self.cover, self.share = size, cover, p
        self.rotate, self.zoom, self.warp, self.symmetry = rotate, zoom, warp, symmetry

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        """Draw the map from tile to image, (3, 3)."""
        uniform, random = self.py_random.uniform, self.py_random.random
        height, width = params["shape"][:2]
        scale = self.size / min(height, width) if self.cover else 1.0
        room = [length * scale - self.size for length in (width, height)]
        left, top = (uniform(0, r) if r > 0 else r / 2 for r in room)
        change = np.eye(3)  # in a frame of -1..1 about the middle of the tile
        if random() < self.share:
            angle = np.deg2rad(uniform(*self.rotate))
            cos, sin = np.cos(angle), np.sin(angle)
            change[:2, :2] = [[cos, -sin], [sin, cos]]  # y points down, and this leads back
        if random() < self.share:
            change[:2] /= uniform(*self.zoom)
        if random() < self.share:
            change = change @ _tilted(*(uniform(*self.warp) for _ in range(4)))
        if self.symmetry:
            change = change @ _SYMMETRIES[self.py_random.randrange(len(_SYMMETRIES))]
        half = self.size / 2
        to_frame = np.array([[1, 0, 0.5 - half], [0, 1, 0.5 - half], [0, 0, half]]) / half
        to_cut = np.array([[half, 0, half + left], [0, half, half + top], [0, 0, 1]])
        to_image = np.array([[1 / scale, 0, -0.5], [0, 1 / scale, -0.5], [0, 0, 1]])
        return {"matrix": to_image @ to_cut @ change @ to_frame}

    def apply(self, img: Array, matrix: Array, **_: Any) -> Array:
        """Cut the image (H, W, C)."""
        if img.ndim < 3 or img.shape[2] <= _MOST:
            return self._cut(img, matrix, cv2.INTER_LINEAR)
        parts = [img[..., i : i + _MOST] for i in range(0, img.shape[2], _MOST)]
        cut = [self._cut(np.ascontiguousarray(p), matrix, cv2.INTER_LINEAR) for p in parts]
        return np.concatenate(cut, axis=2)

    def apply_to_mask(self, mask: Array, matrix: Array, **_: Any) -> Array:
        """Cut a map (H, W)."""
        return self._cut(mask, matrix, cv2.INTER_NEAREST)

    def _cut(self, array: Array, matrix: Array, how: int) -> Array:
        flags, size = how | cv2.WARP_INVERSE_MAP, (self.size, self.size)
        affine = bool((np.abs(matrix[2, :2]) < _FLAT).all())
        warp, part = (cv2.warpAffine, matrix[:2]) if affine else (cv2.warpPerspective, matrix)
        warped = warp(array, part, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(warped).reshape(self.size, self.size, *array.shape[2:])


def _tilted(upper: float, lower: float, left: float, right: float) -> Array:
    """Projective map of the frame that makes its sides longer by these shares."""
    corners = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]], np.float32)
    along = np.array([[upper, left], [upper, right], [lower, left], [lower, right]], np.float32)
    return np.asarray(cv2.getPerspectiveTransform(corners, corners * (1 + along)))
