"""The IHC generator: hematoxylin, DAPI and a picture of cells to IHC and its marker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from histoseg.contracts import Maps, Sample
from histoseg.losses import GANLoss
from histoseg.losses.gan import Kind
from histoseg.modules.adversarial import AdversarialModule, check_tile, signed, unsigned
from histoseg.modules.base import Outputs
from histoseg.modules.paired import PairLoss, beside
from histoseg.networks.deepliif import shares
from histoseg.networks.ihc_generator import IHCGenerator as Network
from histoseg.postprocess.decoder import Decoder


class IHCGenerator(AdversarialModule):
    """A translator and a discriminator for each output, which know gray hematoxylin and cells.

    Args:
        network: Recipe of `histoseg.networks.IHCGenerator`, given the names.
        discriminator: Recipe of a network, given ``inputs``, its channels.
        inputs: Stains that are translated; of the first only the gray.
        outputs: Stains that are made.
        weights: Factors of what each output costs both sides, in the order of ``outputs``; None for
            equal ones. They add up to 1.
        l1_weight: Factor of the smooth L1 distance.
        feature_weight: Factor of the distance of features.
        features: Recipe of a network, picture to feature maps; None for no such term.
        gan: What answers cost: ``vanilla`` or ``lsgan``.
        backgrounds: RGB 0..255 of outputs where there is no tissue.
        facts: What `AdversarialModule` takes.

    Source:
        README of nadeemlab/DeepLIIF (August 2021), which has no code of it; losses are those of its
        translators.
    """

    def __init__(
        self,
        network: Callable[..., Network],
        discriminator: Callable[..., nn.Module],
        *,
        inputs: Sequence[str],
        outputs: Sequence[str],
        l1_weight: float,
        feature_weight: float,
        weights: Sequence[float] | None = None,
        features: Callable[[], nn.Module] | None = None,
        gan: Kind = "vanilla",
        backgrounds: Mapping[str, Sequence[int]] | None = None,
        **facts: Any,
    ) -> None:
        made = network(inputs=inputs, outputs=outputs)
        judges = {name: discriminator(inputs=made.channels + 3) for name in outputs}
        super().__init__(made, judges, inputs=inputs, outputs=outputs, **facts)
        self.network: Network
        check_tile(made, self.tile)
        self.weights = shares(weights, self.outputs)
        self.loss = PairLoss(GANLoss(gan), l1_weight, feature_weight, features)
        self.backgrounds = {n: (c[0], c[1], c[2]) for n, c in (backgrounds or {}).items()}

    @property
    @override
    def decoder(self) -> Decoder:
        grounds = {name: c for name, c in self.backgrounds.items() if name in self.outputs}
        return Decoder(stains=self.outputs, truncate=True, backgrounds=grounds)

    @override
    def forward(self, batch: Sample) -> Outputs:
        outputs: Outputs = self.generators(self.seen(batch))
        return outputs

    @override
    def maps(self, outputs: Outputs) -> Maps:
        return {name: unsigned(made) for name, made in outputs.items()}

    @override
    def losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        condition = self.network.condition(self.seen(batch))
        terms: dict[str, Tensor] = {}
        total = condition.new_zeros(())
        for (name, true), weight in zip(self.targets(batch).items(), self.weights, strict=True):
            answers = self.discriminators[name](beside(condition, outputs[name]))
            cost, more = self.loss.generator(name, answers, outputs[name], signed(true))
            total, terms = total + weight * cost, terms | more
        distances = [terms[f"l1_{name}"] for name in self.outputs]
        return {"loss": total, "l1": torch.stack(distances).mean(), **terms}

    @override
    def discriminator_losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        condition = self.network.condition(self.seen(batch))
        terms: dict[str, Tensor] = {}
        total = condition.new_zeros(())
        for (name, true), weight in zip(self.targets(batch).items(), self.weights, strict=True):
            judge = self.discriminators[name]
            of_made = judge(beside(condition, outputs[name].detach()))
            terms[name] = self.loss.discriminator(of_made, judge(beside(condition, signed(true))))
            total = total + weight * terms[name]
        return {"loss": total, **terms}
