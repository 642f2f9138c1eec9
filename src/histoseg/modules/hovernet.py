"""HoVer-Net: nuclear pixels, distances from the nuclear centroid, and classes, from one encoder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from histoseg.contracts import Maps, Sample
from histoseg.losses import cross_entropy, dice, hv_mse, msge
from histoseg.modules.base import Module, Outputs
from histoseg.modules.batches import kept
from histoseg.networks import HoVerNet as Network
from histoseg.networks.blocks.frozen import Freeze
from histoseg.ops.crop import centre_crop
from histoseg.ops.symmetry import Symmetry
from histoseg.ops.weight_files import read_checkpoint
from histoseg.targets import hover_targets
from histoseg.weights import hovernet as official
from histoseg.weights.hovernet_layout import classes_of

_log = logging.getLogger(__name__)

ClassLoss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
PUBLISHED: Mapping[str, ClassLoss] = {
    "np_bce": cross_entropy,
    "np_dice": dice,
    "tp_bce": cross_entropy,
    "tp_dice": dice,
}
"""The terms of the original on classes of pixels; what a checkpoint without ``losses`` has."""


class HoVerNet(Module):
    """Horizontal and vertical distance maps that tear clustered nuclei apart.

    Args:
        network: Recipe of `histoseg.networks.HoVerNet`, given the number of classes.
        freeze_encoder: ``full`` trains the decoders alone; ``weights`` too, but batch norms go on
            collecting statistics; ``statistics`` trains everything with batch norms that keep
            theirs; ``reference`` is what the original's first phase does; ``none`` holds nothing.
        msge_axes: ``paper`` differentiates the x map along x; ``reference`` along y, as the
            original PyTorch code does.
        weights: Factor of each loss term by name: ``hv_mse``, ``hv_msge`` and those of ``losses``.
        losses: Terms by name, ``np_<any>`` for nuclear pixels and ``tp_<any>`` for classes, of
            logits (B, C, H, W), classes (B, H, W), and the pixels that count (B, H, W) or None for
            all. None in place of a term leaves it out.
        pretrained: Weights to start from; see `load_pretrained`.
        facts: What `Module` takes.

    Source:
        Graham et al. 2019, https://doi.org/10.1016/j.media.2019.101563
    """

    consumes: ClassVar[frozenset[str]] = frozenset({"image", "instances", "semantic"})

    def __init__(
        self,
        network: Callable[..., Network],
        *,
        weights: Mapping[str, float],
        losses: Mapping[str, ClassLoss | None] = PUBLISHED,
        freeze_encoder: Freeze = "none",
        msge_axes: Literal["paper", "reference"] = "paper",
        pretrained: str | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(network(classes=len(facts["classes"])), **facts)
        self.network: Network
        side = self.network.output_size(self.tile, self.tile)[0]
        if side != self.tile - 2 * self.margin:
            margin = (self.tile - side) // 2
            raise ValueError(f"{self.tile} px become {side} px: set model.margin={margin}")
        _check_terms(losses, weights)
        self.class_losses = {name: loss for name, loss in losses.items() if loss is not None}
        self.weights, self.msge_axes = dict(weights), msge_axes
        if pretrained is not None:
            self.load_pretrained(Path(pretrained))
        self.network.freeze_encoder(freeze_encoder)

    @override
    def forward(self, batch: Sample) -> Outputs:
        outputs: Outputs = self.network(centre_crop(batch["image"], (self.tile, self.tile)))
        return outputs

    @override
    def losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        target = self._annotation(batch, outputs["np"].shape[-2:])
        nuclei, distances = target["np"], target["hv"]
        keep = kept(batch, nuclei.shape[-2:])
        inside = nuclei if keep is None else nuclei * keep
        terms = self._class_terms("np", outputs, target, keep) | {
            "hv_mse": hv_mse(outputs["hv"], distances, keep),
            "hv_msge": msge(outputs["hv"], distances, inside, axes=self.msge_axes),
        }
        if self.classes:
            terms |= self._class_terms("tp", outputs, target, keep)
        total = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
        return {"loss": total, **terms}

    @override
    def maps(self, outputs: Outputs) -> Maps:
        maps = {"np": outputs["np"].float().softmax(1)[:, 1:], "hv": outputs["hv"].float()}
        if self.classes:
            maps["tp"] = outputs["tp"].float().softmax(1)
        return maps

    @override
    def turned_back(self, maps: Maps, symmetry: Symmetry) -> Maps:
        scalars = {name: m for name, m in maps.items() if name != "hv"}
        vectors = {"hv": symmetry.undo_vectors(maps["hv"])}
        return super().turned_back(scalars, symmetry) | vectors

    @override
    def targets(self, batch: Sample) -> Maps:
        side = self.tile - 2 * self.margin
        target = self._annotation(batch, (side, side))
        maps = {"np": target["np"].unsqueeze(1).float(), "hv": target["hv"]}
        if self.classes:
            kinds = functional.one_hot(target["tp"], 1 + len(self.classes))
            maps["tp"] = kinds.movedim(-1, 1).float()
        return maps

    def _class_terms(
        self, branch: str, outputs: Outputs, target: dict[str, Tensor], keep: Tensor | None
    ) -> dict[str, Tensor]:
        """The terms of one branch, by name."""
        return {
            name: loss(outputs[branch], target[branch], keep)
            for name, loss in self.class_losses.items()
            if name.startswith(f"{branch}_")
        }

    def _annotation(self, batch: Sample, size: Sequence[int]) -> dict[str, Tensor]:
        """Targets of the losses, made from the whole tile and then cropped to the output."""
        height, width = size
        target = hover_targets(batch["instances"], (height, width))
        if self.classes:
            target["tp"] = centre_crop(batch["semantic"], (height, width))
        return target

    def load_pretrained(self, path: Path) -> None:
        """Load weights of histoseg, of the original or of TIAToolbox into the network.

        What the file does not have for these classes starts anew, is logged, and stands in
        ``untrained``.

        Args:
            path: A checkpoint of histoseg; an official ``.tar`` or ``.npz``, or a ``.pth`` of
                TIAToolbox: a whole network, or an ImageNet encoder alone, which leaves the
                decoders as they are.

        Raises:
            CheckpointError: If the file is damaged or holds another network.
        """
        content, fresh = read_checkpoint(path), self.network.state_dict()
        if "histoseg" in content:
            state, prefix = content["state_dict"], "network."
            found = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            self._warn_of_stains(path, content["histoseg"]["model"].get("normalise"))
        else:
            state = official.read_official(path)
            whole = any(key.startswith("decoder.") for key in state)
            found = official.from_official(state) if whole else {}
        if found:
            weights = official.with_other_classes(found, fresh)
            count = classes_of(found)
            why = f"class branch: the file is of {count} classes, the model of {len(self.classes)}"
        else:
            weights = fresh | official.encoder_from_official(state, fresh).found
            why = "decoders: the file holds an encoder alone"
        if any(weights[key] is fresh[key] for key in fresh):
            self.untrained = why
            _log.info("%s: what starts anew is the %s", path, why)
        self.network.load_state_dict(weights)

    def _warn_of_stains(self, path: Path, learned: Mapping[str, Any] | None) -> None:
        """Say that weights learned on other stains: what normalises is not in them."""
        if learned and self.normalise is None:
            _log.warning(
                "%s learned on normalised stains (%s), and this model takes images as they are: "
                "load it by ckpt=, or set model/normalise= as there",
                path,
                learned.get("method", learned.get("_target_")),
            )


def _check_terms(losses: Mapping[str, ClassLoss | None], weights: Mapping[str, float]) -> None:
    """Refuse terms of no branch, and terms and weights that do not name each other."""
    foreign = [name for name in losses if not name.startswith(("np_", "tp_"))]
    if foreign:
        raise ValueError(
            f"loss {foreign[0]!r} is of no branch: name it np_<any> (nuclear pixels) or tp_<any> "
            "(classes); the terms of hv are fixed, model.weights has their factors"
        )
    used = {"hv_mse", "hv_msge", *(name for name, loss in losses.items() if loss is not None)}
    lacking, spare = sorted(used - set(weights)), sorted(set(weights) - used - set(losses))
    if lacking or spare:
        raise ValueError(
            f"model.weights lacks {lacking} and names {spare}, which are no terms: "
            f"it has to name {sorted(used)}"
        )
