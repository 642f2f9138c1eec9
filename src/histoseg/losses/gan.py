"""What a discriminator's answers cost the two sides of an adversarial training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

Kind = Literal["vanilla", "lsgan"]


@dataclass(frozen=True)
class GANLoss:
    """How far answers of a discriminator are from "real" or from "made".

    Attributes:
        kind: ``vanilla``: cross entropy on logits. ``lsgan``: squared error.
        smoothing: What is taken off the 1 that stands for real; 0 for none.

    Raises:
        ValueError: If the kind is unknown, or the smoothing outside [0, 1).

    Source:
        Goodfellow et al. 2014; Mao et al. 2017; one-sided smoothing: Salimans et al. 2016.
    """

    kind: Kind = "vanilla"
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        """Refuse settings that would silently mean something else."""
        if self.kind not in get_args(Kind):
            raise ValueError(f"GAN loss {self.kind!r} is unknown; choose one of {get_args(Kind)}")
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"smoothing is {self.smoothing}; expected 0 or more and less than 1")

    def __call__(self, answers: Tensor, *, real: bool) -> Tensor:
        """Average over the answers to one batch.

        Args:
            answers: Any shape, raw: of a discriminator without a sigmoid.
            real: What they should be.

        Returns:
            A scalar, float32.

        Example:
            >>> GANLoss("lsgan")(torch.tensor([0.5, 1.5]), real=True)
            tensor(0.2500)
        """
        answers = answers.float()
        target = torch.full_like(answers, 1 - self.smoothing if real else 0.0)
        if self.kind == "vanilla":
            return functional.binary_cross_entropy_with_logits(answers, target)
        return functional.mse_loss(answers, target)
