"""How different two pictures look to a network trained on photographs: LPIPS."""

from __future__ import annotations

from importlib.resources import as_file, files
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torchvision import models

from histoseg.errors import CheckpointError
from histoseg.ops.weight_files import in_torchs_cache, read_weights

SMALLEST = 64
"""Side of the pictures that the weights of LPIPS were fitted on, px; less says little."""


class _Backbone(NamedTuple):
    build: Any
    published: Any  # torchvision's entry of its weights
    taps: tuple[int, ...]  # layers after which features are compared


_BACKBONES: Final = {
    "alex": _Backbone(models.alexnet, models.AlexNet_Weights.IMAGENET1K_V1, (1, 4, 7, 9, 11)),
    "vgg": _Backbone(models.vgg16, models.VGG16_Weights.IMAGENET1K_V1, (3, 8, 15, 22, 29)),
}


class Lpips(nn.Module):
    """LPIPS, version 0.1, of pairs of pictures.

    The features of a backbone are compared channel by channel, with weights that were fitted to
    what people find similar. These come with torchmetrics; the backbone's are a file.

    Args:
        backbone: ``alex``, which most tables mean, or ``vgg``.
        weights: File of torchvision's weights of it; None looks into torchvision's cache. Nothing
            is fetched.
        sha256: Checksum of the file, or its first digits; None leaves it unchecked.

    Raises:
        FileNotFoundError: If the file is not there; says where it can be had.
        CheckpointError: If the file is another.

    Source:
        Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric".
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        backbone: Literal["alex", "vgg"] = "alex",
        weights: str | Path | None = None,
        sha256: str | None = None,
    ) -> None:
        super().__init__()
        build, published, taps = _BACKBONES[backbone]
        layers = _pretrained(build, published.url, weights, sha256)
        ends = [0, *(tap + 1 for tap in taps)]
        self.stages = nn.ModuleList(layers[start:end] for start, end in pairwise(ends))
        self.heads = nn.ParameterList(_heads(backbone, len(taps)))
        # ImageNet's mean and deviation, as the authors apply them to [-1, 1]
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        """Compare pictures.

        Args:
            images: (B, 1 or 3, H, W), float32 in [0, 1]; one channel is taken for gray.
            others: As ``images``.

        Returns:
            (B,), float32, at least 0; 0 for equal pictures.

        Raises:
            ValueError: If a side is below 64 px.
        """
        if min(images.shape[-2:]) < SMALLEST:
            raise ValueError(
                f"pictures of {tuple(images.shape[-2:])} px are too small for LPIPS; "
                f"it was fitted on {SMALLEST} x {SMALLEST}"
            )
        x, y = (
            (2 * side.expand(-1, 3, -1, -1) - 1 - self.shift) / self.scale
            for side in (images, others)
        )
        total = torch.zeros(len(images), device=images.device)
        for stage, head in zip(self.stages, self.heads, strict=True):
            x, y = stage(x), stage(y)
            apart = (_unit(x) - _unit(y)).square()
            total = total + (apart * head).sum(dim=1).mean(dim=(1, 2))
        return total


def _unit(features: Tensor) -> Tensor:
    """Features of each place with length 1."""
    return features / (features.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()


def _pretrained(build: Any, url: str, weights: str | Path | None, sha256: str | None) -> Any:
    """The layers of a backbone, with the weights of a file."""
    path, named = in_torchs_cache(url)
    missing = f"LPIPS needs torchvision's weights {url}: give weights=<file>, or put it at {path}"
    if weights is None:
        state = read_weights(path, named if sha256 is None else sha256, missing)
    else:
        state = read_weights(Path(weights), sha256, missing)
    prefix = "features."
    with torch.device("meta"):  # nothing is drawn at random only to be overwritten
        layers = build(weights=None).features
    try:
        layers.load_state_dict(
            {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)},
            assign=True,
        )
    except RuntimeError as error:
        raise CheckpointError(
            f"{weights or path} does not fit {build.__name__}: {error}"
        ) from error
    return layers


def _heads(backbone: str, count: int) -> list[Tensor]:
    """The fitted weights of the channels (1, C, 1, 1) that torchmetrics carries."""
    shipped = files("torchmetrics.functional.image") / "lpips_models" / f"{backbone}.pth"
    with as_file(shipped) as path:
        state = read_weights(path, None, "It comes with torchmetrics; install that anew")
    return [state[f"lin{i}.model.1.weight"] for i in range(count)]
