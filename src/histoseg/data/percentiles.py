from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from histoseg.contracts import Array


class PercentileNormaliser:
    """Scale images so that one percentile becomes 0 and another 1.

    It is applied to whole images, in training, test and prediction. What lies beyond the
    percentiles stays beyond 0 and 1.

    Args:
        low: Percentile that becomes 0.
        high: Percentile that becomes 1.
        per_channel: Whether each channel has percentiles of its own; else all have one pair.
        clip: Whether values are cut to [0, 1].

    Raises:
        ValueError: If the percentiles do not rise within 0 to 100.

    Source:
        nadeemlab/ImPartial, where they are 1 and 98 of all channels together.

    Example:
        >>> PercentileNormaliser(0, 100)(np.array([[[2.0], [4.0], [6.0]]])).ravel().tolist()
        [0.0, 0.5, 1.0]
    """

    def __init__(
        self, low: float = 1, high: float = 98, per_channel: bool = False, clip: bool = False
    ) -> None:
        if not 0 <= low < high <= 100:
            raise ValueError(f"percentiles are {low} and {high}: expected 0 <= low < high <= 100")
        self.low, self.high, self.per_channel, self.clip = low, high, per_channel, clip

    def __call__(self, image: Array) -> Array:
        """Normalise an image (H, W, C) of any number type; float32.

        A channel (or, without ``per_channel``, an image) that is constant becomes 0.

        Raises:
            ValueError: If a value is not finite; the message says in which channel.
        """
        return self.of_slide(image)(image)

    def of_slide(self, sample: Array) -> Callable[[Array], Array]:
        """One change for all tiles of a slide, by the percentiles of some of them.

        Args:
            sample: (H, W, C): tiles with tissue, side by side.
        """
        if sample.ndim != 3:
            raise ValueError(f"expected an image (H, W, C), got shape {sample.shape}")
        bad = np.flatnonzero(~np.isfinite(sample).all(axis=(0, 1)))
        if len(bad):
            raise ValueError(
                f"channel {bad[0]} holds values that are not numbers (NaN or infinite): replace "
                "them in the file, or leave the channel out"
            )
        axes = (0, 1) if self.per_channel else None
        low, high = np.percentile(sample, (self.low, self.high), axis=axes)
        spread = np.where(high > low, high - low, np.inf)
        return partial(self._scaled, low=low, spread=spread)

    def _scaled(self, image: Array, low: Array, spread: Array) -> Array:
        scaled = ((image - low) / spread).astype(np.float32)
        return scaled.clip(0, 1) if self.clip else scaled
