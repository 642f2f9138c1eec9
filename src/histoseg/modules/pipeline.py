"""A translator before another model: the stain that it makes is what the other one sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics import Metric
from typing_extensions import override

from histoseg.contracts import Array, Maps, Sample
from histoseg.errors import ContractError
from histoseg.modules.base import Module, Outputs
from histoseg.modules.made_pictures import changed, pixels, resized
from histoseg.modules.pieces import Pieces, pieces
from histoseg.modules.shared_sample import multiple_of, rounded_up
from histoseg.ops.symmetry import Symmetry, symmetries
from histoseg.ops.tiling import tiled_inside
from histoseg.postprocess.decoder import Decoder

SNAP = 0.02
"""Resolutions that differ by less than this share count as one, as they do for slides."""
Stage = Literal["translate", "segment"]


class Pipeline(Module):
    """Translate, then segment, in memory.

    A picture is translated as the translator alone would do it, rounded to 8 bits as a file would
    hold it, and segmented: the result is that of two commands with a folder between them. A slide
    goes through both in pieces: a piece is translated at once, its border is thrown away, and the
    rest is segmented tile by tile. What the pieces give is blended where they overlap. Every pixel
    is at the resolution of the model that sees it. It is for prediction and scores.

    Args:
        translate: Of one input, at its own resolution.
        segment: What finds nuclei, or anything else; its facts and resolution are the pipeline's.
        stain: Which of the stains that are made it sees; None if there is one alone.
        picture: Largest side of a piece, pixels of the translator.
        border: Pixels of a piece, of the segmenter, that are thrown away at each side, or a few
            more.
        overlap: Pixels by which the results of neighbouring pieces overlap.
        translator_tta: Test-time augmentation of the translator: its pictures are averaged.
        classes: Of the segmenter.
        colours: Of the segmenter.
        mpp: Micrometres per pixel that the segmenter sees.
        metrics: Scores of the segmenter.

    Attributes:
        keep: Whether the translated picture is given too, as a stain.
        zoom: Pixels of the translator by pixels of the segmenter.

    Raises:
        ContractError: If the translator makes no picture, takes several, or there is a choice.
        ValueError: If a piece has no room for a tile of the segmenter.
    """

    consumes: ClassVar[frozenset[str]] = frozenset({"image", "instances", "semantic"})

    def __init__(
        self,
        translate: Module,
        segment: Module,
        *,
        classes: tuple[str, ...],
        colours: tuple[tuple[int, int, int], ...],
        mpp: float | None,
        metrics: Mapping[str, Metric],
        stain: str | None = None,
        picture: int = 1024,
        border: int = 32,
        overlap: int = 0,
        translator_tta: str = "none",
    ) -> None:
        self._check(translate, segment)
        zoom = mpp / translate.mpp if mpp and translate.mpp else 1.0
        zoom = 1.0 if abs(zoom - 1) < SNAP else zoom
        multiple = multiple_of(translate.network)
        cut = pieces(segment, max(1, round(picture / zoom)), border, multiple if zoom == 1 else 1)
        networks = nn.ModuleDict({"translate": translate.network, "segment": segment.network})
        super().__init__(
            networks,
            classes=classes,
            colours=colours,
            mpp=mpp,
            tile=cut.tile,
            margin=cut.margin,
            optimizer=segment.optimizer_recipe,
            scheduler=segment.scheduler_recipe,
            metrics=metrics,
            monitor=segment.monitor,
            mode=segment.mode,
            postprocess=segment.postprocess,
            overlap=overlap,
        )
        self.translate, self.segment, self.networks = translate, segment, networks
        self.stain = _stain(translate, stain)
        self.cut: Pieces = cut
        self.zoom, self.multiple, self.keep = zoom, multiple, False
        self.translator_tta = symmetries(translator_tta)
        self._change: Any = None

    def take(self, stage: Stage, module: Module) -> None:
        """Put another model of the same configuration in its place, such as an ensemble."""
        setattr(self, stage, module)
        self.networks[stage] = module.network

    @property
    @override
    def decoder(self) -> Decoder:
        own = self.segment.decoder
        if not self.keep:
            return own
        ground = self.translate.decoder.backgrounds.get(self.stain)
        grounds = {} if ground is None else {self.stain: ground}
        return replace(
            own, stains=(*own.stains, self.stain), backgrounds={**own.backgrounds, **grounds}
        )

    @property
    def tiles(self) -> int:
        """Tiles of the segmenter in a piece."""
        return self.cut.row**2

    def unfit(self, image: Array) -> str:
        """Why an image (H, W, 3), uint8, is none to translate; empty for one that is."""
        why = getattr(self.translate, "unfit", None)
        return "" if why is None else str(why(image))

    def translated(self, image: Tensor, *, batch_size: int = 8) -> Tensor:
        """Translate whole pictures as the translator alone does.

        Args:
            image: (B, 3, H, W), float32 in [0, 1], at the resolution of the segmenter.
            batch_size: Tiles at a time.

        Returns:
            As ``image``: of 256 levels.
        """
        self.translate.symmetries = self.translator_tta
        seen = self._for_translator(image)
        made = self.translate.infer(seen, batch_size=batch_size)[self.stain]
        return self._levels(resized(made, image.shape[2:]))

    @property
    def sample_tile(self) -> int:
        """Side of the squares that `share` is to be given of a slide; 0 if it needs none."""
        side = round(int(getattr(self.translate, "sample_tile", 0)) / self.zoom)
        return side or (0 if self.segment.normalise is None else self.segment.tile)

    def share(self, sample: Tensor) -> None:
        """Measure on a sample of a slide what is to be the same for all its tiles.

        Args:
            sample: (N, 3, h, w), float32 in [0, 1], at the resolution of the segmenter.
        """
        share = getattr(self.translate, "share", None)
        if callable(share):
            share(rounded_up(self._for_translator(sample), self.multiple))
        if self.segment.normalise is None:
            return
        of_slide = getattr(self.segment.normalise, "of_slide", None)
        if of_slide is None:
            raise ContractError(
                f"{type(self.segment.normalise).__name__} normalises whole images alone: predict "
                "pictures, or take a segmenter that does not normalise"
            )
        made = torch.cat([self._piece(tile) for tile in torch.split(sample, 1)])
        self._change = of_slide(np.concatenate([*pixels(made)]))

    @override
    def forward(self, batch: Sample) -> Outputs:
        """Pieces to the maps of the segmenter.

        Args:
            batch: ``image`` (B, 3, tile, tile).
        """
        made = torch.cat([self._piece(piece) for piece in torch.split(batch["image"], 1)])
        side = self.cut.seen
        border = (made.shape[-1] - side) // 2
        made = made[..., border : border + side, border : border + side]
        maps = tiled_inside(
            self._maps_of_tiles,
            made if self._change is None else changed(made, self._change),
            tile=self.segment.tile,
            margin=self.segment.margin,
            overlap=self.segment.overlap,
        )
        inner = slice(self.segment.margin, side - self.segment.margin)
        return self._with_picture(maps, made[..., inner, inner])

    @override
    def maps(self, outputs: Outputs) -> Maps:
        return outputs

    @override
    def turned_back(self, maps: Maps, symmetry: Symmetry) -> Maps:
        found = {name: m for name, m in maps.items() if name != self.stain}
        pictures = {name: symmetry.undo(m) for name, m in maps.items() if name == self.stain}
        return {**self.segment.turned_back(found, symmetry), **pictures}

    @override
    @torch.no_grad()
    def infer(self, image: Tensor, *, overlap: int | None = None, batch_size: int = 8) -> Maps:
        total: Maps = {}
        infer = partial(self.segment.infer, overlap=overlap, batch_size=batch_size)
        for symmetry in self.symmetries:
            made = self.translated(symmetry.apply(image), batch_size=batch_size)
            normalise = self.segment.normalise
            seen = made if normalise is None else changed(made, normalise)
            maps = self._with_picture(infer(seen), made)
            for name, m in self.turned_back(maps, symmetry).items():
                total[name] = total[name] + m if name in total else m
        return {name: m / len(self.symmetries) for name, m in total.items()}

    @override
    def losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        raise ContractError("a pipeline is not trained: train each of its models by itself")

    @override
    def targets(self, batch: Sample) -> Maps:
        return self.segment.targets(batch)

    def _piece(self, piece: Tensor) -> Tensor:
        """Translate a picture at once: (1, 3, h, w) to the same, of 256 levels."""
        self.translate.symmetries = self.translator_tta
        seen = self._for_translator(piece)
        made = self.translate.tile_maps(rounded_up(seen, self.multiple))[self.stain]
        return self._levels(resized(made[..., : seen.shape[2], : seen.shape[3]], piece.shape[2:]))

    def _for_translator(self, image: Tensor) -> Tensor:
        """Pictures at the resolution of the translator."""
        size = tuple(max(1, round(side * self.zoom)) for side in image.shape[2:])
        return resized(image, size)

    def _maps_of_tiles(self, tiles: Tensor) -> Maps:
        return self.segment.maps(self.segment({"image": tiles}))

    def _levels(self, made: Tensor) -> Tensor:
        """What a file of 8 bits would hold, of three channels."""
        scaled = made.float() * 255 + (0 if self.translate.decoder.truncate else 0.5)
        return scaled.floor().clamp(0, 255).div(255).expand(-1, 3, -1, -1)

    def _with_picture(self, maps: Maps, made: Tensor) -> Maps:
        return {**maps, self.stain: made} if self.keep else maps

    def _check(self, translate: Module, segment: Module) -> None:
        if not translate.decoder.stains:
            raise ContractError(
                f"{type(translate).__name__} makes no picture: a pipeline is "
                "pipeline=[<translator>, <segmenter>]"
            )
        if translate.margin:
            raise ContractError(
                f"{type(translate).__name__} loses {translate.margin} px at each side: a translator"
                " has to give pictures of the size that it sees"
            )
        inputs = getattr(translate, "inputs", ("",))
        if len(inputs) != 1:
            raise ContractError(
                f"the translator takes {', '.join(inputs)} together; a picture is of one stain"
            )
        if same := sorted({*translate.decoder.stains} & {*segment.decoder.stains}):
            raise ContractError(
                f"both models make {', '.join(same)}, so one picture would take the other's place:"
                " run them one after the other"
            )
        if getattr(segment.postprocess, "image_map", None):
            raise ContractError(
                "thresholds of optical density look at the image, and here the segmenter sees a "
                "made one: use thresholds of the picture"
            )


def _stain(translate: Module, asked: str | None) -> str:
    there = translate.decoder.stains
    if asked is None and len(there) == 1:
        return there[0]
    if asked not in there:
        raise ContractError(
            f"model.stain={asked}: the translator makes {', '.join(there)}; say which the "
            "segmenter is to see"
        )
    return asked
