"""What every model of the house does in training, validation, test and prediction."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric, MetricCollection
from typing_extensions import override

from histoseg.contracts import Array, Maps, Sample
from histoseg.metrics import without_ignored
from histoseg.modules.batches import annotated, decoded
from histoseg.modules.divergence import diverged
from histoseg.modules.parameter_groups import grouped_optimizer
from histoseg.modules.schedules import stepped
from histoseg.ops.crop import centre_crop
from histoseg.ops.hues import hues
from histoseg.ops.symmetry import SYMMETRIES, Symmetry
from histoseg.ops.tiling import tiled
from histoseg.postprocess.decoder import Decoder, Postprocess

Outputs = dict[str, Tensor]


class Module(pl.LightningModule, ABC):
    """A model with its recipe. A model of ours is `forward`, `losses`, `maps` and `targets`.

    Args:
        network: Tensors to tensors.
        classes: Names of classes 1..K; empty for a model without classes.
        colours: K RGB triples 0..255; not used without classes.
        mpp: Micrometres per pixel that the model was made for; None if unknown.
        tile: Side of the square input, pixels.
        margin: Pixels lost on each side between input and output.
        optimizer: Recipe: parameters to optimiser.
        scheduler: Recipe: optimiser to schedule, stepped once an epoch or, if it says so, a batch.
        metrics: Metrics by name; each is given what its ``update`` names.
        monitor: Metric that chooses the best checkpoint.
        mode: Whether more or less of it is better.
        postprocess: Maps of one region, as arrays (C, H, W), to its instances; None for a model
            that finds none.
        overlap: Usual overlap in prediction of neighbouring outputs, which are blended there, px.
        encoder_lr: Factor of the learning rate of ``network.encoder``.
        decay_norms: Whether weight decay also concerns biases and norms.
        normalise: What is done to each whole image (H, W, 3) before it is cut into tiles, in
            training, test and prediction alike; None leaves images as they are.

    Attributes:
        symmetries: Test-time augmentation: `infer` averages over them.
        untrained: What of the network pretrained weights did not give, and why; mostly nothing.
    """

    consumes: ClassVar[frozenset[str]]
    """Keys of `Sample` needed to train; ``semantic`` only if there are classes."""

    def __init__(
        self,
        network: nn.Module,
        *,
        classes: Sequence[str],
        colours: Sequence[Sequence[int]],
        mpp: float | None,
        tile: int,
        margin: int,
        optimizer: Callable[..., Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        metrics: Mapping[str, Metric],
        monitor: str,
        mode: Literal["min", "max"],
        postprocess: Postprocess | None = None,
        overlap: int = 0,
        encoder_lr: float = 1.0,
        decay_norms: bool = True,
        normalise: Callable[[Array], Array] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.classes = tuple(classes)
        self.colours = tuple((c[0], c[1], c[2]) for c in colours) if classes else ()
        self.mpp, self.tile, self.margin, self.overlap = mpp, tile, margin, overlap
        self.optimizer_recipe, self.scheduler_recipe = optimizer, scheduler
        self.postprocess = postprocess
        self.monitor, self.mode = monitor, mode
        self.encoder_lr, self.decay_norms = encoder_lr, decay_norms
        self.normalise, self.symmetries = normalise, SYMMETRIES["none"]
        # the lists keep Lightning from finding the metrics' states in checkpoints
        scores = MetricCollection(dict(metrics), compute_groups=False)
        self.val_scores = scores.clone(prefix="val/")
        self.test_scores = scores.clone(prefix="test/")
        self.recipe: dict[str, Any] = {}
        self.last_finite_loss: float | None = None
        self.untrained = ""
        if self.classes and not self.colours:
            self.colours = hues(len(self.classes))

    @override
    @abstractmethod
    def forward(self, batch: Sample) -> Outputs:
        """Run the network on a batch: raw outputs, before activations."""

    @abstractmethod
    def losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        """Loss terms of a batch; the entry ``loss`` is what is minimised."""

    @abstractmethod
    def maps(self, outputs: Outputs) -> Maps:
        """Apply the activations: what is said of each pixel, in stated ranges."""

    @abstractmethod
    def targets(self, batch: Sample) -> Maps:
        """The maps a perfect network would give, for losses and for looking at."""

    def turned_back(self, maps: Maps, symmetry: Symmetry) -> Maps:
        """Maps of a turned image in the frame of the image itself.

        Scalar maps are turned back. A model with maps of directions says here which they are.

        Args:
            maps: Each (B, C, H, W), as `maps` gives them.
            symmetry: How the image was turned.
        """
        return {name: symmetry.undo(m) for name, m in maps.items()}

    @property
    def decoder(self) -> Decoder:
        """How maps are read. A model that does not only find objects says so here."""
        return Decoder(self.postprocess)

    def decode(self, maps: Maps) -> dict[str, Any]:
        """What maps of a batch say, for scores and pictures.

        Returns:
            As the `decoder` has them: ``pred_instances`` and ``pred_semantic``, each (B, H, W)
            int64, and ``pred_stains``, maps by name. The class of an object is that of its pixels
            where the model does not say classes of pixels.
        """
        return {f"pred_{name}": value for name, value in decoded(self.decoder, maps).items()}

    def picture(self, batch: Sample) -> Tensor:
        """What the network sees of a batch: (B, C, H, W), float32 in [0, 1]."""
        return batch["image"]

    def truth(self, batch: Sample, size: tuple[int, int]) -> dict[str, Any]:
        """What is annotated, under the names that metrics ask for, cropped to a size."""
        return annotated(batch, size, classes=bool(self.classes))

    @torch.no_grad()
    def infer(self, image: Tensor, *, overlap: int | None = None, batch_size: int = 8) -> Maps:
        """Maps of whole images of any size, tile by tile, in the frame of the image.

        They are the mean over `symmetries`.

        Args:
            image: (B, C, H, W), float32 in [0, 1].
            overlap: Pixels by which neighbouring outputs overlap, where they are blended; None for
                what the model says.
            batch_size: Tiles at a time.
        """
        total: Maps = {}
        for symmetry in self.symmetries:
            maps = tiled(
                lambda tiles: self.maps(self({"image": tiles})),
                symmetry.apply(image),
                tile=self.tile,
                margin=self.margin,
                overlap=self.overlap if overlap is None else overlap,
                batch_size=batch_size,
            )
            for name, m in self.turned_back(maps, symmetry).items():
                total[name] = total[name].add_(m) if name in total else m
        return {name: m.div_(len(self.symmetries)) for name, m in total.items()}

    @torch.no_grad()
    def tile_maps(self, tiles: Tensor) -> Maps:
        """Maps of tiles that are of the size of the network's input: the mean over `symmetries`.

        Each tile is turned by itself, so that its maps do not depend on the tiles around it.

        Args:
            tiles: (B, C, tile, tile), float32 in [0, 1].

        Returns:
            Each (B, C, tile - 2 * margin, tile - 2 * margin).
        """
        total: Maps = {}
        for symmetry in self.symmetries:
            maps = self.turned_back(self.maps(self({"image": symmetry.apply(tiles)})), symmetry)
            for name, m in maps.items():
                total[name] = total[name] + m if name in total else m
        return {name: m / len(self.symmetries) for name, m in total.items()}

    @override
    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        terms = self.losses(batch, self(batch))
        self._check_finite(terms["loss"], batch)
        size = len(self.picture(batch))
        self.log("step/loss", terms["loss"].detach(), batch_size=size)
        self._log_terms("train", terms, size)
        return terms["loss"]

    @override
    def validation_step(self, batch: Sample, batch_idx: int) -> dict[str, Any]:
        outputs = self(batch)
        terms = self.losses(batch, outputs)
        self._check_finite(terms["loss"], batch)
        self._log_terms("val", terms, len(self.picture(batch)))
        return self._score(self.val_scores, batch, self.maps(outputs))

    @override
    def test_step(self, batch: Sample, batch_idx: int) -> dict[str, Any]:
        return self._score(self.test_scores, batch, self.infer(self.picture(batch)))

    @override
    def on_fit_start(self) -> None:
        self._seed = torch.initial_seed()

    @override
    def on_train_batch_start(self, batch: Sample, batch_idx: int) -> None:
        # a resumed run drops what an uncut one would, whatever loaders drew from the same stream
        entropy = [self._seed, self.current_epoch, batch_idx, self.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))

    @override
    def on_train_epoch_end(self) -> None:
        # before the checkpoint of this epoch replaces a sound one
        if not all(bool(torch.isfinite(p).all()) for p in self.parameters()):
            raise diverged(self, "weights are no longer finite", "the last of the epoch")

    @override
    def on_validation_epoch_end(self) -> None:
        self._log_scores(self.val_scores)

    @override
    def on_test_epoch_end(self) -> None:
        self._log_scores(self.test_scores)

    @override
    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer_of(self.parameters())
        schedule = stepped(self.scheduler_recipe, optimizer, self, self.monitor)
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def optimizer_of(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """An optimiser of those that learn, as ``encoder_lr`` and ``decay_norms`` ask."""
        if self.encoder_lr == 1 and self.decay_norms:
            return self.optimizer_recipe([p for p in parameters if p.requires_grad])
        return grouped_optimizer(
            self.optimizer_recipe,
            parameters,
            getattr(self.network, "encoder", None),
            encoder_lr=self.encoder_lr,
            decay_norms=self.decay_norms,
        )

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["histoseg"] = self.recipe

    def _check_finite(self, loss: Tensor, batch: Sample) -> None:
        """Refuse to go on with a loss that is not a number: it would spoil every weight at once."""
        value = float(loss.detach())
        if not math.isfinite(value):
            names = batch["place"].slide if "place" in batch else ()
            raise diverged(self, f"the loss is {value}", ", ".join(names) or "unnamed")
        self.last_finite_loss = value

    def _score(self, scores: MetricCollection, batch: Sample, maps: Maps) -> dict[str, Any]:
        """Decode maps and compare them with the annotations, cropped to the maps' size."""
        height, width = next(iter(maps.values())).shape[-2:]
        size = (height, width)
        truth, found = self.truth(batch, size), self.decode(maps)
        if "ignore" in batch:
            ignore = centre_crop(batch["ignore"], size)
            truth, found = without_ignored(truth, ignore), without_ignored(found, ignore)
        scores.update(**truth, **found)
        image = centre_crop(self.picture(batch), size)
        return {"image": image, **truth, **found, "maps": maps}

    def _log_terms(self, stage: str, terms: Mapping[str, Tensor], size: int) -> None:
        detached = {f"{stage}/{name}": value.detach() for name, value in terms.items()}
        options: dict[str, Any] = {"on_step": False, "on_epoch": True, "sync_dist": True}
        loss = f"{stage}/loss"
        self.log(loss, detached.pop(loss), prog_bar=True, batch_size=size, **options)
        self.log_dict(detached, batch_size=size, **options)

    def _log_scores(self, scores: MetricCollection) -> None:
        results = {key: float(value) for key, value in scores.compute().items()}
        shown = {key: value for key, value in results.items() if key == self.monitor}
        self.log_dict(shown, prog_bar=True)
        self.log_dict({key: v for key, v in results.items() if key not in shown})
        scores.reset()
