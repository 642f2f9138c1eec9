"""The IHC generator: hematoxylin, DAPI and a picture of cells to IHC and its marker."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

_LUMA = (0.299, 0.587, 0.114)  # ITU-601


class IHCGenerator(nn.Module):
    """A translator for each output; all see the same, the first input in gray.

    Gray, because the blue of hematoxylin would tell where the brown was taken out.

    Args:
        translator: Recipe of a network, given ``inputs``, its channels.
        inputs: Stains that are translated, three channels each; the second is gray anyway.
        outputs: Stains that are made.
        compact: Whether the first two inputs are one channel each, not three alike.

    Attributes:
        channels: Of what the translators see.

    Source:
        README of nadeemlab/DeepLIIF, which has no code of it; the networks are those of DeepLIIF.
    """

    def __init__(
        self,
        translator: Callable[..., nn.Module],
        *,
        inputs: Sequence[str],
        outputs: Sequence[str],
        compact: bool = False,
    ) -> None:
        super().__init__()
        self.compact = compact
        grays = min(2, len(inputs)) if compact else 0
        self.channels = 3 * len(inputs) - 2 * grays
        self.translators = nn.ModuleDict(
            {name: translator(inputs=self.channels) for name in outputs}
        )

    def condition(self, image: Tensor) -> Tensor:
        """What translators and discriminators see.

        Args:
            image: (B, 3 * inputs, H, W), float32 in [-1, 1].

        Returns:
            (B, channels, H, W) in [-1, 1].
        """
        first, rest = _gray(image[:, :3]), image[:, 3:]
        if not self.compact:
            return torch.cat([first.expand(-1, 3, -1, -1), rest], dim=1)
        return torch.cat([first, _gray(rest[:, :3]), rest[:, 3:]], dim=1)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Translate an image, as `condition` takes it, to pictures (B, 3, H, W) in [-1, 1]."""
        seen = self.condition(image)
        return {name: net(seen) for name, net in self.translators.items()}


def _gray(image: Tensor) -> Tensor:
    """(B, 3, H, W) to (B, 1, H, W): a mean, so that it may be taken on [-1, 1]."""
    luma = image.new_tensor(_LUMA).view(1, 3, 1, 1)
    return (image * luma).sum(dim=1, keepdim=True)
