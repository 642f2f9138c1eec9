"""A user's own package, with a model and a data set that histoseg has never heard of."""

import os
import signal
from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as pl
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import Dataset

from fakes.discs import discs
from histoseg.contracts import Array, Instances, Maps, Place, Record, Sample
from histoseg.modules.base import Module, Outputs
from histoseg.ops.instances import instances_from_labels
from histoseg.postprocess.decoder import Decoder


def red_is_pale() -> nn.Conv2d:
    """One convolution of one pixel that knows purple from pink without any training."""
    network = nn.Conv2d(3, 1, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([-40.0, 0, 0]).view(1, 3, 1, 1))
        network.bias.fill_(26.0)
    return network


def components(maps: dict[str, Array]) -> Instances:
    labels, _ = ndimage.label(maps["np"][0] > 0.5)
    return instances_from_labels(labels, foreground=maps["np"][0])


class Pixelwise(Module):
    consumes: ClassVar[frozenset[str]] = frozenset({"image", "instances"})
    produces: ClassVar[frozenset[str]] = frozenset({"np"})

    def __init__(self, network: Any, **facts: Any) -> None:
        super().__init__(network(), **facts)

    def forward(self, batch: Sample) -> Outputs:
        return {"np": self.network(batch["image"])}

    def losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        target = self.targets(batch)["np"]
        return {"loss": binary_cross_entropy_with_logits(outputs["np"], target)}

    def maps(self, outputs: Outputs) -> Maps:
        return {"np": outputs["np"].float().sigmoid()}

    def targets(self, batch: Sample) -> Maps:
        return {"np": (batch["instances"] > 0).float().unsqueeze(1)}


class Redder(Pixelwise):
    """A translator with the weights of `Pixelwise`: pictures, no objects."""

    @property
    def decoder(self) -> Decoder:
        return Decoder(stains=("pale", "same"), backgrounds={"pale": (1, 2, 3)})

    def maps(self, outputs: Outputs) -> Maps:
        return {"pale": outputs["np"].float().sigmoid(), "same": outputs["image"]}

    def forward(self, batch: Sample) -> Outputs:
        return {**super().forward(batch), "image": batch["image"]}


class Tissue(Pixelwise):
    """Says of each pixel whether it is dark."""

    @property
    def decoder(self) -> Decoder:
        return Decoder(semantic="dark")

    def maps(self, outputs: Outputs) -> Maps:
        dark = outputs["np"].float().sigmoid()
        return {"dark": torch.cat([1 - dark, dark], 1)}


class Signal(pl.Callback):
    """Gives this process a signal in the middle of an epoch."""

    def __init__(self, name: str, epoch: int) -> None:
        self.number, self.epoch = signal.Signals[name], epoch

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.current_epoch == self.epoch:
            os.kill(os.getpid(), self.number)


class Discs(Dataset[Record]):
    provides: ClassVar[frozenset[str]] = frozenset({"image", "instances", "place"})

    def __init__(self, length: int, first: int = 0, side: int = 64) -> None:
        self.length, self.first, self.side = length, first, side

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Record:
        seed = self.first + range(self.length)[index]
        image, instances = discs(seed, self.side, self.side)
        place = Place(f"discs-{seed}", 0, 0, 0.25)
        return Record(image=image, instances=instances.astype(np.int32), place=place)
