from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from histoseg.contracts import Array, Record
from histoseg.data.prepared_points import PreparedPoints
from histoseg.data.tile import cut
from histoseg.errors import ContractError

CROPS = 3


class EndoNuke(PreparedPoints):
    """EndoNuke, prepared: tiles of 100 x 100 µm with a point on every nucleus, or crops of them.

    Crops are those of IHC_HE_GenAI: ``<id>_crop1`` top right, ``_crop2`` top left, ``_crop3``
    bottom middle. They overlap, so nuclei count more than once. Crops of a tile are of one split.

    Args:
        root: As in `PreparedNuclei`.
        classes: As in `PreparedNuclei`.
        crops: Side, px at the resolution of ``resample``; None for whole tiles.
        options: What else `PreparedPoints` takes: ``published`` names annotators.
    """

    def __init__(
        self,
        root: str | Path,
        classes: tuple[str, ...] = (),
        crops: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(root, classes, **options)
        self.crops = crops
        self._tiles: dict[str, tuple[str, int]] = {}
        if crops is None:
            return
        for tile in self.ids:
            self._tiles |= {f"{tile}_crop{n}": (tile, n) for n in range(1, CROPS + 1)}
        self.rows |= {crop: self.rows[tile] for crop, (tile, _) in self._tiles.items()}
        self.ids = tuple(self._tiles)

    @override
    def class_counts(self) -> Array:
        """Points of each class in each item (N, K); of crops they are read."""
        if self.crops is None:
            return super().class_counts()
        count = len(self.classes) + 1
        kinds = [self.read(name)["points"][:, 2].astype(np.intp) for name in self.ids]
        return np.array([np.bincount(k, minlength=count)[1:] for k in kinds]).reshape(-1, count - 1)

    @override
    def read(self, name: str) -> Record:
        if name not in self._tiles or self.crops is None:
            return super().read(name)
        tile, number = self._tiles[name]
        record = super().read(tile)
        image, side = record["image"], self.crops
        room = image.shape[1] - side
        if room < 0 or image.shape[0] < side:
            raise ContractError(
                f"tile {tile} is {image.shape[0]} x {image.shape[1]} px at its resolution, a crop "
                f"{side}: set data.mpp=0.25, which gives 400 px, or a smaller data.dataset.crops"
            )
        top, left = ((0, room), (0, 0), (image.shape[0] - side, room // 2))[number - 1]
        points = record["points"] - np.array([left, top, 0], dtype=np.float32)
        # a pixel reaches half a pixel about its centre
        inside = ((points[:, :2] >= -0.5) & (points[:, :2] < side - 0.5)).all(axis=1)
        record["image"], record["points"] = cut(image, top, left, side), points[inside]
        record["place"] = record["place"]._replace(slide=name, x=left, y=top)
        return record
