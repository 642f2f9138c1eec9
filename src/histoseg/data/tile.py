from __future__ import annotations

from typing import Any, Literal

import albumentations as A  # noqa: N812
import cv2
import numpy as np

from histoseg.contracts import Array, Record
from histoseg.ops.components import split_components

_BORDER = cv2.BORDER_REFLECT_101


class RandomTile(A.DualTransform):  # type: ignore[misc]  # untyped package
    """Cut a tile at a random place, and with probability ``p_warp`` warp it on the way.

    The warp is about the centre of the tile and reads the image around it, so that a rotated
    tile of a large image has real tissue in its corners. Only beyond the image's own edge is
    the content mirrored; an image smaller than the tile is mirrored on all sides.
    Ids and classes are taken from the nearest pixel.

    Args:
        size: Side of the square tile, px.
        scale: Range of the magnification, drawn for x and y each.
        shear: Range in degrees, drawn for x and y each.
        rotate: Range in degrees, counter-clockwise.
        translate: Range in shares of the tile's side, drawn for x and y each.
        interpolation: Of the image: "linear" or "nearest".
        p_warp: Probability of the warp; else the tile is cut as it is.

    Raises:
        ValueError: If ``size`` is not positive, a scale is not, or ``interpolation`` is unknown.
    """

    def __init__(
        self,
        size: int,
        scale: tuple[float, float] = (1, 1),
        shear: tuple[float, float] = (0, 0),
        rotate: tuple[float, float] = (0, 0),
        translate: tuple[float, float] = (0, 0),
        interpolation: Literal["linear", "nearest"] = "linear",
        p_warp: float = 0,
    ) -> None:
        super().__init__(p=1)
        if size < 1 or min(scale) <= 0 or interpolation not in ("linear", "nearest"):
            raise ValueError(
                f"size {size} and scale {scale} must be positive, "
                f"and interpolation {interpolation!r} 'linear' or 'nearest'"
            )
        self.size = size
        self.scale = scale
        self.shear = shear
        self.rotate = rotate
        self.translate = translate
        # Not called "interpolation", a name that albumentations hands to masks too.
        self.image_flag = cv2.INTER_LINEAR if interpolation == "linear" else cv2.INTER_NEAREST
        self.p_warp = p_warp

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        """Draw the corner of the tile, (y, x), and the warp from tile to image, (2, 3)."""
        uniform = self.py_random.uniform
        room = [length - self.size for length in params["shape"][:2]]
        corner = tuple(self.py_random.randint(0, r) if r > 0 else r // 2 for r in room)
        warp = None
        if self.py_random.random() < self.p_warp:
            x_shear, y_shear = np.tan(np.deg2rad([uniform(*self.shear), uniform(*self.shear)]))
            angle = np.deg2rad(uniform(*self.rotate))
            cos, sin = np.cos(angle), np.sin(angle)
            turn = np.array([[cos, sin], [-sin, cos]])  # y points down
            linear = (
                turn
                @ [[1, x_shear], [y_shear, 1]]
                @ np.diag([uniform(*self.scale), uniform(*self.scale)])
            )
            shift = self.size * np.array([uniform(*self.translate), uniform(*self.translate)])
            middle = (self.size - 1) / 2
            inverse = np.linalg.inv(linear)
            origin = np.array(corner[::-1]) + middle - inverse @ (middle + shift)
            warp = np.column_stack([inverse, origin])
        return {"corner": corner, "warp": warp}

    def apply(self, img: Array, corner: tuple[int, int], warp: Array | None, **_: Any) -> Array:
        """Cut the image (H, W, C)."""
        return self._cut(img, corner, warp, self.image_flag)

    def apply_to_mask(
        self, mask: Array, corner: tuple[int, int], warp: Array | None, **_: Any
    ) -> Array:
        """Cut a map (H, W)."""
        return self._cut(mask, corner, warp, cv2.INTER_NEAREST)

    def _cut(self, array: Array, corner: tuple[int, int], warp: Array | None, flag: int) -> Array:
        if warp is None:
            return cut(array, *corner, self.size)
        warped: Array = cv2.warpAffine(
            array,
            warp,
            (self.size, self.size),
            flags=flag | cv2.WARP_INVERSE_MAP,
            borderMode=_BORDER,
        )
        return warped.reshape(*warped.shape[:2], *array.shape[2:])


def centre_tile(record: Record, size: int) -> Record:
    """Cut the central tile, as validation and test do.

    Args:
        record: Any image size; a smaller one is mirrored on all sides. Stains may be of different
            sizes: each is cut about its own centre.
        size: Side of the tile, px.

    Returns:
        The record of the tile. Its ``place`` moves with it, and points outside are left out (a
        mirrored nucleus has no point of its own). Ids stay as annotated, unless the
        image was mirrored: then each mirrored part that stands apart has a new id.
    """
    top, left = _centred(frame_of(record), size)
    tile = record.copy()
    if "image" in record:
        tile["image"] = cut(record["image"], top, left, size)
    if "stains" in record:
        tile["stains"] = {
            name: cut(picture, *_centred(picture, size), size)
            for name, picture in record["stains"].items()
        }
    if "instances" in record:
        instances = cut(record["instances"], top, left, size)
        tile["instances"] = split_components(instances) if min(top, left) < 0 else instances
    for key in ("semantic", "ignore", "scribbles", "held_out"):
        if key in record:
            tile[key] = cut(record[key], top, left, size)
    if "points" in record:
        points = record["points"] - np.array([left, top, 0], dtype=np.float32)
        inside = ((points[:, :2] > -0.5) & (points[:, :2] < size - 0.5)).all(axis=1)
        tile["points"] = points[inside]
    if "place" in record:
        place = record["place"]
        tile["place"] = place._replace(x=place.x + left, y=place.y + top)
    return tile


def frame_of(record: Record) -> Array:
    """The picture whose size is that of the record: its image, or its first stain.

    Raises:
        ValueError: If it has neither.
    """
    if "image" in record:
        return record["image"]
    for picture in record.get("stains", {}).values():
        return picture
    raise ValueError(f"a record needs an image or stains; this one has {sorted(record)}")


def _centred(picture: Array, size: int) -> tuple[int, int]:
    """Top and left edge of the central square."""
    return (picture.shape[0] - size) // 2, (picture.shape[1] - size) // 2


def cut(array: Array, top: int, left: int, size: int) -> Array:
    """Cut a square, mirrored where it lies outside.

    Args:
        array: (H, W) or (H, W, C).
        top: First row; may be negative.
        left: First column; may be negative.
        size: Side, px.

    Returns:
        A copy (size, size) or (size, size, C). The edge pixel itself is not repeated.

    Example:
        >>> cut(np.arange(9).reshape(3, 3), -1, -1, 4).tolist()
        [[4, 3, 4, 5], [1, 0, 1, 2], [4, 3, 4, 5], [7, 6, 7, 8]]
    """
    height, width = array.shape[:2]
    if top >= 0 and left >= 0 and top + size <= height and left + size <= width:
        return array[top : top + size, left : left + size].copy()
    rows = _mirrored(np.arange(top, top + size), height)
    columns = _mirrored(np.arange(left, left + size), width)
    return array[rows[:, None], columns]


def _mirrored(index: Array, length: int) -> Array:
    period = max(2 * (length - 1), 1)
    folded = np.abs(index) % period
    return np.minimum(folded, period - folded) if length > 1 else np.zeros_like(index)
