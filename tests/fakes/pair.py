"""The smallest translator: one factor and one shift, judged pixel by pixel."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from histoseg.contracts import Maps, Sample
from histoseg.losses import GANLoss
from histoseg.modules.adversarial import AdversarialModule, signed, unsigned
from histoseg.modules.base import Outputs

GAN = GANLoss("lsgan")


class Pair(AdversarialModule):
    """``ihc`` to ``dapi`` by a convolution of one pixel."""

    def __init__(self, **facts: Any) -> None:
        own: dict[str, Any] = {
            "classes": (), "colours": (), "mpp": 0.25, "tile": 8, "margin": 0,
            "optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.1),
            "scheduler": lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5),
            "metrics": {}, "monitor": "val/loss", "mode": "min",
            "inputs": ["ihc"], "outputs": ["dapi"],
        }  # fmt: skip
        judge = nn.Conv2d(6, 1, 1)
        super().__init__(nn.Conv2d(3, 3, 1), {"dapi": judge}, **(own | facts))

    def forward(self, batch: Sample) -> Outputs:
        return {"dapi": self.generators(signed(self.picture(batch)))}

    def maps(self, outputs: Outputs) -> Maps:
        return {"dapi": unsigned(outputs["dapi"].tanh())}

    def losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        return {"loss": generator_loss(self.network, self.discriminators["dapi"], batch)}

    def discriminator_losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        made = outputs["dapi"].detach()
        return {"loss": discriminator_loss(made, self.discriminators["dapi"], batch)}


def generator_loss(network: nn.Module, judge: nn.Module, batch: Sample) -> Tensor:
    seen = signed(batch["stains"]["ihc"])
    return GAN(judge(torch.cat([seen, network(seen)], 1)), real=True)


def discriminator_loss(made: Tensor, judge: nn.Module, batch: Sample) -> Tensor:
    seen, true = (signed(batch["stains"][name]) for name in ("ihc", "dapi"))
    of_made = GAN(judge(torch.cat([seen, made], 1)), real=False)
    return of_made + GAN(judge(torch.cat([seen, true], 1)), real=True)


def loader(count: int = 4) -> "DataLoader[Any]":
    """Batches of one, random and always the same."""
    draw = torch.Generator().manual_seed(1)
    samples = [
        {"stains": {name: torch.rand(3, 8, 8, generator=draw) for name in ("ihc", "dapi")}}
        for _ in range(count)
    ]
    return DataLoader(samples, batch_size=1)  # type: ignore[arg-type]
