from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from histoseg.contracts import Array
from histoseg.data.stain_transfer import Method, method_of
from histoseg.errors import ContractError
from histoseg.slides import read_image


class StainNormaliser:
    """Give every image the stains of one target.

    It is applied to whole images, before they are cut into tiles, in training, test and prediction;
    of slides the stains are measured in some of their tiles.
    A checkpoint keeps the statistics of the target, not the file they were measured in. An image
    without tissue stays as it is.

    Args:
        method: "macenko" or "reinhard"; see `histoseg.data.StainTransfer`.
        target: Image to take the statistics of; needs tissue.
        statistics: The statistics themselves: ``stains`` and ``strongest`` for macenko, ``mean``
            and ``std`` for reinhard. Not read if there is a target.

    Raises:
        ValueError: If the method is unknown, there is no target and no statistics, or the latter
            are not those of the method.
        ContractError: If the target has no tissue.
        UnreadableFileError: If the target cannot be read.
    """

    def __init__(
        self,
        method: Method,
        target: str | None = None,
        statistics: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        look = method_of(method)
        if target is not None:
            found = look.of(read_image(Path(target)))
            if found is None:
                raise ContractError(
                    f"{target} does not show the tissue and stains that {method} needs; take "
                    "another target"
                )
        elif statistics is None:
            raise ValueError(
                "stain normalisation needs a target: model.normalise.target=<image>, or "
                "model.normalise.statistics"
            )
        else:
            try:
                found = look.from_plain(**statistics)
            except TypeError as error:
                raise ValueError(
                    f"statistics {dict(statistics)} are not of {method}: {error}"
                ) from error
        self.target = found

    def __call__(self, image: Array) -> Array:
        """Normalise an image (H, W, 3), uint8 or float32 in [0, 1].

        Raises:
            ValueError: If it is not RGB.
        """
        if image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"stains need an RGB image (H, W, 3), got shape {image.shape}")
        change = self.of_slide(image)
        return image if change is None else change(image)

    def of_slide(self, sample: Array) -> Callable[[Array], Array] | None:
        """One change for all tiles of a slide, by the stains of some of them.

        Args:
            sample: (H, W, 3), uint8: tiles with tissue, side by side.

        Returns:
            Takes and gives (H, W, 3), each pixel by itself; None where the sample shows no tissue.
        """
        own = self.target.of(sample)
        return None if own is None else partial(self.target.given_to, own=own)  # type: ignore[arg-type]

    def settings(self) -> dict[str, Any]:
        """What a checkpoint keeps of the configuration in place of the target's path."""
        return {"target": None, "statistics": self.target.plain()}
