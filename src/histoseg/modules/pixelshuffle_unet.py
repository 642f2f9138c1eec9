"""The pixel-shuffle U-Net: the class of each pixel, and the cells that these make."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from typing_extensions import override

from histoseg.contracts import Maps, Sample
from histoseg.metrics.pixel_scores import IGNORED
from histoseg.modules.base import Module, Outputs
from histoseg.modules.batches import kept
from histoseg.modules.parameter_groups import layered_optimizer
from histoseg.networks import PixelShuffleUNet as Network
from histoseg.networks.pixelshuffle_unet import FreezeEncoder
from histoseg.ops.crop import centre_crop
from histoseg.ops.weight_files import read_checkpoint
from histoseg.postprocess.decoder import Decoder
from histoseg.weights import pixelshuffle_unet as official

_log = logging.getLogger(__name__)
PixelLoss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
HEAD = "head."
RGB = 3


class PixelShuffleUNet(Module):
    """Classes of pixels, learned from masks; the connected regions of a class are its cells.

    Without classes there are two: background, and what lies in any annotated object.

    Args:
        network: Recipe of `histoseg.networks.PixelShuffleUNet`, given ``outputs`` and
            ``in_channels``.
        channels: Names of the channels of the image; empty for RGB.
        losses: Terms by name, of logits (B, C, H, W), classes (B, H, W), and the pixels that count
            (B, H, W) or None for all. None in place of a term leaves it out.
        weights: Factor of each term.
        freeze_encoder: ``none``; ``convs``, all of it but its batch norms, as fastai's first stage
            does; or ``full``.
        lr_range: Factors of the learning rate, of the encoder's first layers and of the decoder,
            with those between spaced evenly; None for one rate.
        pretrained: Weights to start from; see `load_pretrained`.
        facts: What `Module` takes.

    Source:
        Cameron et al. 2021, https://doi.org/10.1063/5.0027993
    """

    consumes: ClassVar[frozenset[str]] = frozenset({"image", "instances", "semantic"})

    def __init__(
        self,
        network: Callable[..., Network],
        *,
        channels: Sequence[Any],
        losses: Mapping[str, PixelLoss | None],
        weights: Mapping[str, float],
        freeze_encoder: FreezeEncoder = "none",
        lr_range: Sequence[float] | None = None,
        pretrained: str | None = None,
        **facts: Any,
    ) -> None:
        outputs = 1 + max(1, len(facts["classes"]))
        super().__init__(network(outputs=outputs, in_channels=len(channels) or RGB), **facts)
        self.network: Network
        self.terms = {name: loss for name, loss in losses.items() if loss is not None}
        lacking = sorted(set(self.terms) - set(weights))
        if lacking or not self.terms:
            raise ValueError(
                f"model.losses names {sorted(self.terms)} and model.weights {sorted(weights)}; "
                "expected at least one term, and a weight for each"
            )
        self.weights, self.lr_range = dict(weights), lr_range
        if pretrained is not None:
            self.load_pretrained(Path(pretrained))
        self.network.freeze_encoder(freeze_encoder)

    @property
    def learns(self) -> frozenset[str]:
        """Maps that training tiles have to have; objects are only scored."""
        return frozenset({"semantic" if self.classes else "instances"})

    @property
    @override
    def decoder(self) -> Decoder:
        return Decoder(self.postprocess, semantic="classes" if self.classes else None)

    @override
    def forward(self, batch: Sample) -> Outputs:
        return {"classes": self.network(centre_crop(batch["image"], (self.tile, self.tile)))}

    @override
    def losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        logits = outputs["classes"]
        size = logits.shape[-2:]
        true, keep = self._true(batch, (size[0], size[1])), kept(batch, size)
        terms = {name: loss(logits, true, keep) for name, loss in self.terms.items()}
        total = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
        return {"loss": total, **terms}

    @override
    def maps(self, outputs: Outputs) -> Maps:
        return {"classes": outputs["classes"].float().softmax(1)}

    @override
    def targets(self, batch: Sample) -> Maps:
        true = self._true(batch, (self.tile, self.tile))
        kinds = functional.one_hot(true, 1 + max(1, len(self.classes)))
        return {"classes": kinds.movedim(-1, 1).float()}

    @override
    def truth(self, batch: Sample, size: tuple[int, int]) -> dict[str, Any]:
        known = super().truth(batch, size)
        if not self.learns & known.keys():  # points, say: there are no pixels to score
            return known
        pixels, keep = self._true(batch, size), kept(batch, size)
        if keep is not None:
            pixels = pixels.masked_fill(~keep, IGNORED)
        return known | {"pixels": pixels}

    @override
    def decode(self, maps: Maps) -> dict[str, Any]:
        return super().decode(maps) | {"pred_pixels": maps["classes"].argmax(1)}

    @override
    def optimizer_of(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        if self.lr_range is None:
            return super().optimizer_of(parameters)
        return layered_optimizer(
            self.optimizer_recipe, self.network.layer_groups(), list(self.lr_range)
        )

    def load_pretrained(self, path: Path) -> None:
        """Load weights of histoseg, of fastai, or of an ImageNet encoder.

        What the file does not have starts anew, is logged, and stands in ``untrained``.

        Args:
            path: A checkpoint of histoseg; a ``.pth`` of fastai 1's ``learn.save``; or a state dict
                of torchvision's or timm's encoder alone, for any number of channels.

        Raises:
            CheckpointError: If the file is damaged or holds another network.
        """
        content, fresh = read_checkpoint(path), self.network.state_dict()
        if "histoseg" in content:
            state, prefix = content["state_dict"], "network."
            found = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        else:
            state = official.read_fastai(path)
            whole = any(key.startswith("layers.") for key in state)
            found = official.from_fastai(state) if whole else {}
        if not found:
            channels = self.network.in_channels
            found = official.encoder_weights(state, fresh, channels)
            self.untrained = "decoder: the file holds an encoder alone"
        elif found[f"{HEAD}bias"].shape != fresh[f"{HEAD}bias"].shape:
            count = len(found[f"{HEAD}bias"]) - 1
            why = f"the file is of {count} classes, the model of {len(fresh[f'{HEAD}bias']) - 1}"
            self.untrained = f"head: {why}"
            found |= {key: value for key, value in fresh.items() if key.startswith(HEAD)}
        if self.untrained:
            _log.info("%s: what starts anew is the %s", path, self.untrained)
        official.check_fits(found, fresh, path)
        self.network.load_state_dict(found)

    def _true(self, batch: Sample, size: tuple[int, int]) -> Tensor:
        """Class of each pixel (B, h, w), int64."""
        if self.classes:
            return centre_crop(batch["semantic"], size)
        return (centre_crop(batch["instances"], size) > 0).long()
