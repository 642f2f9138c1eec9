from __future__ import annotations

from typing import Any

import numpy as np

from histoseg.contracts import Array
from histoseg.data.tile import RandomTile


class ScribbleTile(RandomTile):
    """Cut a tile, more often where there are scribbles than where there are none.

    A centre is drawn, then shifted. The tile is cut about it, moved inwards where it would leave
    the image; an image smaller than the tile is mirrored on all sides.

    Args:
        size: Side of the square tile, px.
        p_scribble: Share of centres that lie on a scribble, before ``held_out`` takes some away.
        shift: The centre is moved by up to this many px, less one, along each axis.
        held_out: Whether centres lie in the window ``held_out`` of the record (True), outside it
            (False) or anywhere (None). It concerns centres: a tile may reach over the edge.
        kwargs: As in `RandomTile`.

    Raises:
        ValueError: If a number is out of its range.

    Source:
        The patch sampler of nadeemlab/ImPartial.
    """

    def __init__(
        self,
        size: int,
        p_scribble: float = 0.6,
        shift: int = 32,
        held_out: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(size, **kwargs)
        if not 0 <= p_scribble <= 1 or shift < 1:
            raise ValueError(
                f"p_scribble {p_scribble} and shift {shift}: expected 0 to 1, and 1 (none) or more"
            )
        self.p_scribble, self.shift, self.held_out = p_scribble, shift, held_out

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        """Draw the corner of the tile, (y, x), and the warp, as `RandomTile`."""
        drawn = super().get_params_dependent_on_data(params, data)
        room = [length - self.size for length in params["shape"][:2]]
        centre = self._centre(data["scribbles"].any(axis=-1), data.get("held_out"))
        drawn["corner"] = tuple(
            r // 2 if r <= 0 else min(max(c + self._shift() - self.size // 2, 0), r)
            for c, r in zip(centre, room, strict=True)
        )
        return drawn

    def _centre(self, drawn: Array, window: Array | None) -> tuple[int, int]:
        """A pixel (y, x), by the mass on scribbles and the mass on all others."""
        allowed = np.ones(drawn.shape, bool)
        if window is not None and self.held_out is not None:
            allowed = window.astype(bool) == self.held_out
        some = [np.flatnonzero(where & allowed) for where in (drawn, ~drawn)]
        sizes = [max(int(drawn.sum()), 1), max(int(drawn.size - drawn.sum()), 1)]
        shares = (self.p_scribble, 1 - self.p_scribble)
        mass = [s * len(p) / n for s, p, n in zip(shares, some, sizes, strict=True)]
        if sum(mass) == 0:  # a window without a pixel of that kind
            return drawn.shape[0] // 2, drawn.shape[1] // 2
        pixels = some[0 if self.py_random.random() * sum(mass) < mass[0] else 1]
        y, x = divmod(int(pixels[self.py_random.randrange(len(pixels))]), drawn.shape[1])
        return y, x

    def _shift(self) -> int:
        return int(self.py_random.choice((-1, 1)) * self.py_random.randrange(self.shift))
