"""Models in closed form that give pictures and classes of pixels, and no objects."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, instance_norm

from fakes.models import MARGIN, TILE
from histoseg.contracts import Maps, Sample
from histoseg.modules.base import Module, Outputs
from histoseg.postprocess.decoder import Decoder

REACH = 4
"""Pixels around a pixel that `Swapped` and `Darkness` look at."""
GRAY = (90, 100, 110)


class Pictures(Module):
    """What is not of the network."""

    consumes: ClassVar[frozenset[str]] = frozenset({"image"})

    def __init__(self, **facts: Any) -> None:
        own: dict[str, Any] = {
            "classes": (), "colours": (), "mpp": 0.25, "tile": TILE, "margin": MARGIN,
            "optimizer": torch.optim.SGD, "scheduler": None, "metrics": {},
            "monitor": "val/loss", "mode": "min",
        }  # fmt: skip
        super().__init__(nn.Conv2d(1, 1, 1), **(own | facts))

    def seen(self, image: Tensor) -> Tensor:
        """The middle of tiles."""
        rows, columns = (slice(self.margin, n - self.margin) for n in image.shape[-2:])
        return image[..., rows, columns]

    def losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        raise NotImplementedError  # it is not trained

    def maps(self, outputs: Outputs) -> Maps:
        return outputs

    def targets(self, batch: Sample) -> Maps:
        raise NotImplementedError


class Swapped(Pictures):
    """Two pictures: the image with its colours swapped, and its softened darkness in one channel.

    The second goes through an instance norm where ``norm`` is set: a pixel then depends on all of
    its tile, as in most translators.
    """

    def __init__(self, norm: bool = False, **facts: Any) -> None:
        super().__init__(**facts)
        self.norm = norm

    @property
    def decoder(self) -> Decoder:
        return Decoder(stains=("swapped", "dark"), backgrounds={"swapped": GRAY})

    def forward(self, batch: Sample) -> Outputs:
        image = batch["image"]
        dark = 1 - avg_pool2d(image[:, :1], 2 * REACH + 1, 1, REACH)
        if self.norm:
            dark = instance_norm(dark).mul(0.2).add(0.5).clamp(0, 1)
        return {"swapped": self.seen(image.flip(1)), "dark": self.seen(dark)}


class Darkness(Pictures):
    """Classes of pixels: 1 is dark, 2 is between."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(**{"classes": ("dark", "between")} | facts)

    @property
    def decoder(self) -> Decoder:
        return Decoder(semantic="tissue")

    def forward(self, batch: Sample) -> Outputs:
        soft = avg_pool2d(batch["image"][:, :1], 2 * REACH + 1, 1, REACH)
        levels = torch.tensor([0.95, 0.4, 0.7], device=soft.device).view(1, 3, 1, 1)
        return {"tissue": self.seen((-((soft - levels) ** 2) * 50).softmax(1))}
