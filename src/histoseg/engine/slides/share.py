"""What a model has to know of a whole slide before it sees the first tile."""

from __future__ import annotations

from itertools import product

import numpy as np
import torch

from histoseg.contracts import Array
from histoseg.engine.slides.forward import Forward
from histoseg.modules.shared_sample import count_of, spread
from histoseg.slides import Frame, Grid


def share_sample(forward: Forward, frame: Frame, grid: Grid, wanted: Array) -> None:
    """Show a model squares that are evenly spread over the tissue, if it asks for them.

    They are the same in every process and after every stop.

    Args:
        forward: Of the model; with a ``sample_tile`` above 0 it is given squares of that side.
        frame: The slide at the resolution of the model.
        grid: Where its tiles lie.
        wanted: (rows, columns), bool: which have tissue.

    Raises:
        UnreadableFileError: If the slide is damaged there.
    """
    module = forward.module
    side = int(getattr(module, "sample_tile", 0))
    cells = np.argwhere(wanted)
    if not side or not len(cells):
        return
    inside = range(max(1, grid.output // side))
    corners = [
        (box.left + column * side, box.top + row * side)
        for box in map(grid.output_box, cells)
        for row, column in product(inside, inside)
    ]
    some = [corners[i] for i in spread(len(corners), count_of(side))]
    tiles = np.stack([frame.read(x, y, side, side, outside="mirror") for x, y in some])
    pixels = torch.from_numpy(tiles).to(module.device).permute(0, 3, 1, 2).float().div(255)
    with (
        torch.inference_mode(),
        torch.autocast(module.device.type, forward.dtype, enabled=forward.dtype is not None),
    ):
        module.share(pixels)  # type: ignore[operator]  # who asks for a sample takes it
