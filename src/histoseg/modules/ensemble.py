"""Several trainings of one model that predict together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from histoseg.contracts import Array, Maps, Sample
from histoseg.errors import ContractError
from histoseg.modules.base import Module, Outputs
from histoseg.ops.symmetry import Symmetry
from histoseg.postprocess.decoder import Decoder


class Ensemble(Module):
    """The mean of the maps of several trainings of one model.

    What a model makes of maps is made of the mean once: an ensemble of translators gives one
    picture, one of segmenters one set of nuclei. It is for prediction and scores, not for training.

    Args:
        members: On one device, of one configuration: facts and scores are those of the first.

    Raises:
        ValueError: If there is none.
    """

    consumes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, members: Sequence[Module]) -> None:
        if not members:
            raise ValueError("an ensemble of no model: give one checkpoint or more")
        first = members[0]
        super().__init__(
            nn.ModuleList(member.network for member in members),
            classes=first.classes,
            colours=first.colours,
            mpp=first.mpp,
            tile=first.tile,
            margin=first.margin,
            optimizer=first.optimizer_recipe,
            scheduler=first.scheduler_recipe,
            metrics={},
            monitor=first.monitor,
            mode=first.mode,
            postprocess=first.postprocess,
            overlap=first.overlap,
            normalise=first.normalise,
        )
        self.members = nn.ModuleList(members)
        self.test_scores = first.test_scores
        self.recipe = first.recipe

    @property
    def first(self) -> Module:
        """The member whose facts hold for all."""
        member: Module = self.members[0]  # type: ignore[assignment]
        return member

    @property
    @override
    def decoder(self) -> Decoder:
        return self.first.decoder

    def unfit(self, image: Array) -> str:
        """Why an image (H, W, 3), uint8, is none for these models; empty for one that is."""
        why = getattr(self.first, "unfit", None)
        return "" if why is None else str(why(image))

    @override
    def forward(self, batch: Sample) -> Outputs:
        """The mean of the members' maps."""
        return _mean([member.maps(member(batch)) for member in self._members()])

    @override
    def maps(self, outputs: Outputs) -> Maps:
        return outputs

    @override
    def turned_back(self, maps: Maps, symmetry: Symmetry) -> Maps:
        return self.first.turned_back(maps, symmetry)

    @override
    @torch.no_grad()
    def infer(self, image: Tensor, *, overlap: int | None = None, batch_size: int = 8) -> Maps:
        found = []
        for member in self._members():
            member.symmetries = self.symmetries
            found.append(type(member).infer(member, image, overlap=overlap, batch_size=batch_size))
        return _mean(found)

    @property
    def sample_tile(self) -> int:
        """As of the members."""
        return int(getattr(self.first, "sample_tile", 0))

    def share(self, sample: Tensor) -> None:
        """Let each member measure its norms on a sample, if it does; see `AdversarialModule`."""
        for member in self._members():
            share = getattr(member, "share", None)
            if callable(share):
                share(sample)

    @override
    def test_step(self, batch: Sample, batch_idx: int) -> dict[str, Any]:
        """What the model does to be scored, with the mean in place of its own maps."""
        self.first.infer = self.infer  # type: ignore[method-assign]
        try:
            return self.first.test_step(batch, batch_idx)
        finally:
            del self.first.infer

    @override
    def losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        raise ContractError("an ensemble is not trained: train its members one by one")

    @override
    def targets(self, batch: Sample) -> Maps:
        return self.first.targets(batch)

    def _members(self) -> list[Module]:
        """All of them, going the way that the first goes."""
        members: list[Module] = list(self.members)  # type: ignore[arg-type]
        for member in members[1:]:
            if hasattr(member, "direction"):
                member.direction = self.first.direction
        return members


def _mean(found: Sequence[Maps]) -> Maps:
    return {name: torch.stack([maps[name] for maps in found]).mean(0) for name in found[0]}
