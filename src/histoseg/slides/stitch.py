from __future__ import annotations

import numpy as np

from histoseg.contracts import Array


class Canvas:
    """Puts the outputs of tiles together to the map of an image.

    Without overlap an output is copied as it is. With overlap neighbours fade into each other: an
    output's weight rises from its edge as sin² over the overlap, along x times along y, and the sum
    is divided by the sum of weights, so a map cut into tiles comes back as it was.

    Args:
        height: Of the image, px.
        width: Of the image, px.
        channels: Of the map.
        overlap: Pixels by which neighbouring outputs overlap, as in the grid.

    Example:
        >>> canvas = Canvas(2, 3, channels=1)
        >>> canvas.paste(np.ones((1, 2, 2)), x=0, y=0)
        >>> canvas.paste(np.full((1, 2, 2), 5.0), x=2, y=0)
        >>> canvas.finish()[0, 0]
        array([1., 1., 5.], dtype=float32)
    """

    def __init__(self, height: int, width: int, channels: int, overlap: int = 0) -> None:
        self._overlap = overlap
        self._map: Array = np.zeros((channels, height, width), dtype=np.float32)
        self._weight: Array = np.zeros((height, width), dtype=np.float32 if overlap else np.bool_)

    def paste(self, output: Array, x: int, y: int) -> None:
        """Lay down one output; what reaches over the edge of the image is cut off.

        Args:
            output: (C, h, w), floating point.
            x: Column of the image where it starts.
            y: Row of the image where it starts.

        Raises:
            ValueError: If it has another number of channels.
        """
        channels, height, width = self._map.shape
        if output.ndim != 3 or len(output) != channels:
            raise ValueError(f"expected an output ({channels}, h, w), got {output.shape}")
        h, w = output.shape[1:]
        rows = slice(max(y, 0), max(min(y + h, height), 0))
        columns = slice(max(x, 0), max(min(x + w, width), 0))
        inside = (
            slice(rows.start - y, max(rows.stop - y, 0)),
            slice(columns.start - x, max(columns.stop - x, 0)),
        )
        if self._overlap:
            weight = np.outer(_ramp(h, self._overlap), _ramp(w, self._overlap))[inside]
            self._map[:, rows, columns] += output[:, *inside] * weight
            self._weight[rows, columns] += weight
        else:
            self._map[:, rows, columns] = output[:, *inside]
            self._weight[rows, columns] = True

    def finish(self) -> Array:
        """Give the map.

        Returns:
            (C, H, W), float32.

        Raises:
            ValueError: If an output is missing somewhere; a gap must not pass for background.
        """
        empty = np.argwhere(self._weight == 0)
        if len(empty):
            y, x = empty[0]
            raise ValueError(
                f"{len(empty)} of {self._weight.size} pixels were never predicted, the first at"
                f" x={x}, y={y}: paste the output of every tile of the grid"
            )
        return self._map / self._weight if self._overlap else self._map


def _ramp(length: int, overlap: int) -> Array:
    """Weight along one axis: (length,), float32 in (0, 1]; neighbours' ramps add up to 1."""
    from_edge = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
    return np.asarray(np.sin(np.minimum(from_edge / overlap, 1) * np.pi / 2) ** 2, dtype=np.float32)
