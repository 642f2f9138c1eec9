"""DeepLIIF: IHC to the stains of multiplex immunofluorescence, and all of them to cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from histoseg.contracts import Array, Maps, Sample
from histoseg.losses import GANLoss
from histoseg.losses.gan import Kind
from histoseg.modules.adversarial import AdversarialModule, check_tile, signed, unsigned
from histoseg.modules.base import Outputs
from histoseg.modules.batches import decoded
from histoseg.modules.deepliif_files import folder_of, load_folder
from histoseg.modules.paired import PairLoss, beside
from histoseg.modules.stored_networks import load_checkpoint
from histoseg.networks.deepliif import SEG, shares
from histoseg.networks.deepliif import DeepLIIF as Network
from histoseg.ops.deepliif_names import their_name
from histoseg.ops.seg_colours import is_gray, strip_panels
from histoseg.postprocess.decoder import Decoder
from histoseg.weights.deepliif import DeepLIIFFolder

MARKER, WHITE = "marker", (255, 255, 255)


class DeepLIIF(AdversarialModule):
    """Translators, segmenters that see what those made, and discriminators that know the input.

    Discriminators of ``seg`` see it beside the input and beside each true modality; what they say
    is added up with the weights of the segmenters before it costs anything.

    Args:
        network: Recipe of `histoseg.networks.DeepLIIF`, given the names and the shares.
        discriminator: Recipe of a network, given ``inputs``, its channels.
        inputs: Stains that are translated.
        outputs: Stains that are made; ``seg`` is painted by the segmenters, and where it is not
            asked for there are neither segmenters nor cells, nor scores of cells.
        seg_weights: Shares of the segmenters, see the network.
        generator_weights: Factors of what each output costs the generators, in the order of
            ``outputs``; None for equal ones. They add up to 1.
        discriminator_weights: Likewise for the discriminators.
        l1_weight: Factor of the smooth L1 distance of each output.
        feature_weight: Factor of the distance of features of each modality.
        features: Recipe of a network, picture to feature maps; None for no such term.
        gan: What answers on modalities cost: ``vanilla`` or ``lsgan``.
        seg_gan: What those on ``seg`` cost.
        backgrounds: RGB 0..255 of outputs where there is no tissue.
        keep_segs: Whether maps have what each segmenter says, as ``seg_<what it sees>``.
        seg_only: Predict ``seg`` alone, and of the modalities run those that have a share in it,
            and the marker; not for training.
        pretrained: Weights to start from; see `load_pretrained`.
        facts: What `AdversarialModule` takes.

    Source:
        Ghahremani et al. 2022, https://doi.org/10.1038/s42256-022-00471-x; nadeemlab/DeepLIIF.
        Deliberate difference: ``seg`` costs with its own factor, not with that of the last
        modality.
    """

    def __init__(
        self,
        network: Callable[..., Network],
        discriminator: Callable[..., nn.Module],
        *,
        inputs: Sequence[str],
        outputs: Sequence[str],
        l1_weight: float,
        feature_weight: float,
        seg_weights: Sequence[float] | None = None,
        generator_weights: Sequence[float] | None = None,
        discriminator_weights: Sequence[float] | None = None,
        features: Callable[[], nn.Module] | None = None,
        gan: Kind = "vanilla",
        seg_gan: Kind = "lsgan",
        backgrounds: Mapping[str, Sequence[int]] | None = None,
        keep_segs: bool = False,
        seg_only: bool = False,
        pretrained: str | None = None,
        **facts: Any,
    ) -> None:
        made = network(inputs=inputs, outputs=outputs, seg_weights=seg_weights)
        channels = 3 * len(inputs)
        judges = {name: discriminator(inputs=channels + 3) for name in made.modalities}
        for name in made.segmenters:
            judges[f"{SEG}_{name}"] = discriminator(
                inputs=3 + (channels if name == made.base else 3)
            )
        if SEG not in outputs:
            # scores of pictures name their stains; what is left are those of cells
            scores = {n: m for n, m in facts["metrics"].items() if hasattr(m, "stains")}
            facts |= {"classes": (), "colours": (), "postprocess": None, "metrics": scores}
        super().__init__(made, judges, inputs=inputs, outputs=outputs, **facts)
        self.network: Network
        if seg_only and SEG not in outputs:
            raise ValueError(f"seg_only=true, and seg is none of the outputs {list(outputs)}")
        made.every, self.seg_only = keep_segs, seg_only
        made.extra = (MARKER,) if seg_only else made.modalities
        check_tile(made, self.tile)
        self.generator_weights = shares(generator_weights, self.outputs)
        self.discriminator_weights = shares(discriminator_weights, self.outputs)
        self.loss = PairLoss(GANLoss(gan), l1_weight, feature_weight, features)
        self.seg_loss = PairLoss(GANLoss(seg_gan), l1_weight)
        if pretrained is not None:
            self.load_pretrained(Path(pretrained))
        self.backgrounds = {n: (c[0], c[1], c[2]) for n, c in (backgrounds or {}).items()}

    @property
    @override
    def decoder(self) -> Decoder:
        segs = tuple(f"{SEG}_{name}" for name in self.network.segmenters if self.network.every)
        stains = (*(self._seg_stains() if self.seg_only else self.outputs), *segs)
        grounds = {name: colour for name, colour in self.backgrounds.items() if name in stains}
        black = dict.fromkeys(segs, (0, 0, 0))
        return Decoder(self.postprocess, None, stains, truncate=True, backgrounds=grounds | black)

    @override
    def forward(self, batch: Sample) -> Outputs:
        outputs: Outputs = self.generators(self.seen(batch))
        return outputs

    @override
    def maps(self, outputs: Outputs) -> Maps:
        hidden = f"{SEG}_"
        return {
            name: unsigned(made)
            for name, made in outputs.items()
            if self.network.every or not name.startswith(hidden)
        }

    @override
    def truth(self, batch: Sample, size: tuple[int, int]) -> dict[str, Any]:
        """Stains, and the cells of the true ``seg``, read as predicted ones are."""
        truth = super().truth(batch, size)
        if self.postprocess is None:
            return truth
        seen = {name: truth["stains"][name] for name in self.outputs}
        return truth | decoded(Decoder(self.postprocess), seen)

    @override
    def losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        if self.seg_only:
            raise ValueError("model.seg_only=true leaves stains out: it is for predict alone")
        true, condition = self._true(batch), self.seen(batch)
        terms: dict[str, Tensor] = {}
        total = condition.new_zeros(())
        for name, weight in zip(self.outputs, self.generator_weights, strict=True):
            loss = self.seg_loss if name == SEG else self.loss
            answers = self._answers(name, outputs[name], condition, true)
            cost, more = loss.generator(name, answers, outputs[name], true[name])
            total, terms = total + weight * cost, terms | more
        distances = [terms[f"l1_{name}"] for name in self.outputs]
        return {"loss": total, "l1": torch.stack(distances).mean(), **terms}

    @override
    def discriminator_losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        true, condition = self._true(batch), self.seen(batch)
        terms: dict[str, Tensor] = {}
        total = condition.new_zeros(())
        for name, weight in zip(self.outputs, self.discriminator_weights, strict=True):
            loss = self.seg_loss if name == SEG else self.loss
            of_made = self._answers(name, outputs[name].detach(), condition, true)
            of_true = self._answers(name, true[name], condition, true)
            terms[name] = loss.discriminator(of_made, of_true)
            total = total + weight * terms[name]
        return {"loss": total, **terms}

    def unfit(self, image: Array) -> str:
        """Why an image (H, W, 3 * inputs), uint8, is none to translate; empty for one that is."""
        if is_gray(image[..., :3]):
            return "it is grey, and the model translates brightfield pictures in colour"
        panels = strip_panels(image)
        if not panels:
            return ""
        return (
            f"it is a strip of {panels} panels (one is a Seg picture, or all are alike): give the "
            "first panel alone, or evaluate with data=deepliif_strips"
        )

    def load_pretrained(self, path: Path) -> None:
        """Load weights of the original or of histoseg.

        Args:
            path: The original's folder, of generators; or a checkpoint, which has discriminators
                as well.

        Raises:
            CheckpointError: If they are damaged or do not fit.
        """
        if path.is_file():
            load_checkpoint(self, path)
        else:
            by_tile = self.statistics == "tile"
            load_folder(self.network, path, tile=self.tile, by_tile=by_tile)

    def folder(self) -> DeepLIIFFolder:
        """What a folder of the original holds of this model."""
        inputs = tuple(map(their_name, self.inputs))
        grounds = tuple(self.backgrounds.get(name, WHITE) for name in self.network.modalities)
        return folder_of(
            self.network, self.discriminators, inputs=inputs, tile=self.tile, backgrounds=grounds
        )

    def _seg_stains(self) -> tuple[str, ...]:
        """``seg``, and the marker where thresholds look at it."""
        looked_at = getattr(self.postprocess, "marker_thresh", None) is not None
        return (MARKER, SEG) if looked_at and MARKER in self.outputs else (SEG,)

    def _answers(self, name: str, picture: Tensor, condition: Tensor, true: Maps) -> Tensor:
        """What discriminators say of an output beside what it was made of."""
        if name != SEG:
            found: Tensor = self.discriminators[name](beside(condition, picture))
            return found
        said = []
        for source, weight in self.network.seg_weights.items():
            if weight > 0:
                seen = condition if source == self.network.base else true[source]
                judge = self.discriminators[f"{SEG}_{source}"]
                said.append(weight * judge(beside(seen, picture)).float())
        return torch.stack(said).sum(0)

    def _true(self, batch: Sample) -> Maps:
        return {name: signed(stain) for name, stain in self.targets(batch).items()}
