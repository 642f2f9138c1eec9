"""What translators that learn from pairs have in common: what a made picture costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from histoseg.losses import GANLoss, feature_distance, smooth_l1


@dataclass
class PairLoss:
    """What a made picture costs the two sides.

    Attributes:
        gan: What answers of the discriminator cost.
        l1_weight: Factor of the distance to the true picture.
        feature_weight: Factor of the distance of features.
        features: Recipe of a network, picture to feature maps, built when first needed: it is no
            part of a checkpoint. None for no such term.
        distance: Of a made to the true picture.
    """

    gan: GANLoss
    l1_weight: float
    feature_weight: float = 0.0
    features: Callable[[], nn.Module] | None = None
    distance: Callable[[Tensor, Tensor], Tensor] = smooth_l1
    _network: nn.Module | None = field(default=None, init=False, repr=False)

    def generator(
        self, name: str, answers: Tensor, made: Tensor, true: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the generator pays.

        Args:
            name: Of the output.
            answers: What its discriminator says of the made picture, raw.
            made: (B, 3, H, W) in [-1, 1].
            true: As ``made``.

        Returns:
            The weighted sum, and its terms without their factors: ``gan_<name>``, ``l1_<name>``
            and, with features, ``features_<name>``.
        """
        gan, distance = self.gan(answers, real=True), self.distance(made, true)
        terms = {f"gan_{name}": gan, f"l1_{name}": distance}
        total = gan + self.l1_weight * distance
        if self.features is not None and self.feature_weight:
            terms[f"features_{name}"] = far = self._feature_distance(made, true)
            total = total + self.feature_weight * far
        return total, terms

    def discriminator(self, of_made: Tensor, of_true: Tensor) -> Tensor:
        """What the discriminator pays for its answers to a made and to the true picture."""
        return (self.gan(of_made, real=False) + self.gan(of_true, real=True)) / 2

    def _feature_distance(self, made: Tensor, true: Tensor) -> Tensor:
        if self._network is None and self.features is not None:
            self._network = self.features()
        network: nn.Module = self._network.to(made.device)  # type: ignore[union-attr]
        with torch.no_grad():
            there = network(true)
        return feature_distance(network(made), there)


def beside(condition: Tensor, picture: Tensor) -> Tensor:
    """What a discriminator sees: the condition, and the picture that is to fit it."""
    return torch.cat([condition, picture.to(condition.dtype)], dim=1)
