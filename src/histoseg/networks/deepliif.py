"""The generators of DeepLIIF: an input to modalities, and all of them to one picture of cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

SEG = "seg"
"""The output that segmenters paint together."""


class DeepLIIF(nn.Module):
    """A translator for each modality, and a segmenter for the input and for each modality.

    Segmenters see what the translators made. Their pictures are added up, weighted, before anything
    is rounded.

    Args:
        translator: Recipe of a network, given ``inputs``, its channels.
        segmenter: As ``translator``.
        inputs: Stains that are translated, three channels each.
        outputs: Stains that are made: the modalities, and ``seg`` if there are segmenters.
        seg_weights: Shares of the segmenters in ``seg``: of the input, then of each modality in its
            order; None for equal shares. One with a share of 0 is not asked, unless `every`.

    Attributes:
        every: Whether segmenters without a share are asked as well.
        extra: Modalities that are made also where no segmenter looks at them; at first all.
        modalities: The outputs without ``seg``.
        seg_weights: Shares by what the segmenters see; empty without segmenters.

    Raises:
        ValueError: If there are not as many shares as segmenters, or they do not add up to 1.

    Source:
        Ghahremani et al. 2022, https://doi.org/10.1038/s42256-022-00471-x; nadeemlab/DeepLIIF.
    """

    def __init__(
        self,
        translator: Callable[..., nn.Module],
        segmenter: Callable[..., nn.Module],
        *,
        inputs: Sequence[str],
        outputs: Sequence[str],
        seg_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.every = False
        self.modalities = tuple(name for name in outputs if name != SEG)
        self.extra = self.modalities
        self.base = "_".join(inputs)
        channels = 3 * len(inputs)
        made = {name: translator(inputs=channels) for name in self.modalities}
        self.translators, self.segmenters = nn.ModuleDict(made), nn.ModuleDict()
        self.seg_weights: dict[str, float] = {}
        if SEG in outputs:
            sources = (self.base, *self.modalities)
            self.seg_weights = dict(zip(sources, shares(seg_weights, sources), strict=True))
            for name in sources:
                self.segmenters[name] = segmenter(inputs=channels if name == self.base else 3)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Translate and segment an image.

        Args:
            image: (B, 3 * inputs, H, W), float32 in [-1, 1].

        Returns:
            Each (B, 3, H, W) in [-1, 1]: the modalities by name; ``seg_<source>``, which each
            segmenter says; and ``seg``.
        """
        asked = [n for n in self.segmenters if self.every or self.seg_weights[n] > 0]
        wanted = {*asked, *self.extra}
        made: dict[str, Tensor] = {n: f(image) for n, f in self.translators.items() if n in wanted}
        seen = {self.base: image, **made}
        segs = {name: self.segmenters[name](seen[name]) for name in asked}
        if segs:
            weighted = [self.seg_weights[name] * seg.float() for name, seg in segs.items()]
            made[SEG] = torch.stack(weighted).sum(0)
        return made | {f"{SEG}_{name}": seg for name, seg in segs.items()}


def shares(weights: Sequence[float] | None, names: Sequence[str]) -> list[float]:
    """Check weights that add up to 1, or give equal ones.

    Args:
        weights: One for each name; None for equal ones.
        names: What is weighted.

    Raises:
        ValueError: If there are more or fewer, one is negative, or they do not add up to 1.

    Example:
        >>> shares(None, ["ihc", "marker"])
        [0.5, 0.5]
    """
    if weights is None:
        return [1 / len(names)] * len(names)
    found = [float(weight) for weight in weights]
    if len(found) != len(names) or min(found) < 0 or abs(sum(found) - 1) > 1e-6:
        raise ValueError(
            f"weights are {found}: expected {len(names)}, for {', '.join(names)}, of 0 or more, "
            "that add up to 1; null gives equal ones"
        )
    return found
