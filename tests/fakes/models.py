"""A model in closed form that sees where in its tile a pixel lies, as networks with strides do."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from fakes.components import components
from histoseg.contracts import Maps, Sample
from histoseg.modules.base import Module, Outputs

TILE, MARGIN = 48, 8


class Strided(nn.Module):
    """Dark pixels, judged together with the mean of the 8 x 8 block of the tile they lie in."""

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(40.0))

    def forward(self, tiles: Tensor) -> Tensor:
        red = tiles[:, :1]
        blocks = interpolate(avg_pool2d(red, 8), scale_factor=8)
        seen = 0.8 * red + 0.2 * blocks
        logits: Tensor = self.sharpness * (0.65 - seen)
        return logits[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


class Blots(Module):
    """Finds dark blots."""

    consumes: ClassVar[frozenset[str]] = frozenset({"image", "instances"})

    def __init__(self, **facts: Any) -> None:
        own: dict[str, Any] = {
            "classes": (), "colours": (), "mpp": 0.25, "tile": TILE, "margin": MARGIN,
            "optimizer": torch.optim.SGD, "scheduler": None, "metrics": {},
            "postprocess": components, "monitor": "val/pq", "mode": "max",
        }  # fmt: skip
        super().__init__(Strided(), **(own | facts))

    def forward(self, batch: Sample) -> Outputs:
        return {"np": self.network(batch["image"])}

    def losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        raise NotImplementedError  # it is not trained

    def maps(self, outputs: Outputs) -> Maps:
        return {"np": outputs["np"].float().sigmoid()}

    def targets(self, batch: Sample) -> Maps:
        raise NotImplementedError
