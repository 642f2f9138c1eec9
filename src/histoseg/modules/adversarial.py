"""Generators against discriminators: two optimisers that take turns on each batch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self, get_args

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from typing_extensions import override

from histoseg.contracts import Maps, Sample
from histoseg.errors import ContractError
from histoseg.metrics import DistributionScores
from histoseg.modules.base import Module, Outputs
from histoseg.modules.freezing import fixed
from histoseg.modules.schedules import by_step
from histoseg.modules.shared_sample import multiple_of, sample_of
from histoseg.networks.blocks.shared_statistics import measuring, with_shared_statistics
from histoseg.networks.blocks.tile_statistics import with_tile_statistics
from histoseg.ops.crop import centre_crop

Side = Literal["generators", "discriminators"]
Statistics = Literal["running", "tile", "shared"]


class AdversarialModule(Module):
    """A translator of stains that learns against discriminators.

    The base of all of them: a model is `forward`, `losses` (of the generators), `maps` and
    `discriminator_losses`. Each batch goes forward once, then each side steps in its `order`.
    Clipping and accumulation are those of the trainer's settings; gradients of each side are
    clipped by themselves. ``global_step`` counts the steps of both sides.

    Args:
        network: All generators: what prediction needs.
        discriminators: By name.
        inputs: Stains that are translated, in the order of their channels.
        outputs: Stains that are made.
        discriminator_lr: Factor of the discriminators' learning rate.
        statistics: Of norms in validation, test and prediction: ``running``, as batch norms
            collected them in training; ``tile``, of each tile by itself; or ``shared``, of a sample
            of the picture or slide, so that tiles fit together. Instance norms know no ``running``.
        facts: What `Module` takes; the optimiser and the schedule serve both sides.

    Attributes:
        clip: Largest norm of the gradients of one side; None for any.
        accumulate: Batches that a step is the mean of.

    Raises:
        ValueError: If there is no input or no output, statistics are unknown, or images are to be
            normalised: that is for images, not for pairs of stains.
    """

    consumes: ClassVar[frozenset[str]] = frozenset({"stains"})
    order: Sequence[Side] = ("discriminators", "generators")

    def __init__(
        self,
        network: nn.Module,
        discriminators: Mapping[str, nn.Module],
        *,
        inputs: Sequence[str],
        outputs: Sequence[str],
        discriminator_lr: float = 1.0,
        statistics: Statistics = "running",
        **facts: Any,
    ) -> None:
        super().__init__(network, **facts)
        if not inputs or not outputs:
            raise ValueError(f"inputs are {inputs}, outputs {outputs}: expected one or more stains")
        if statistics not in get_args(Statistics):
            raise ValueError(f"statistics {statistics!r}: choose one of {get_args(Statistics)}")
        if self.normalise is not None:
            raise ValueError("model.normalise changes images and not stains: leave it out")
        self.automatic_optimization = False
        self.discriminators = nn.ModuleDict(discriminators)
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.discriminator_lr = discriminator_lr
        self.statistics = statistics
        self._by_tile: tuple[nn.Module, ...] = ()  # in a tuple: it is no part of the state
        self._shared: tuple[nn.Module, ...] = ()
        self.clip: float | None = None
        self.accumulate = 1
        self._scored_sets = False

    @property
    def generators(self) -> nn.Module:
        """The network, in evaluation with norms as ``statistics`` says."""
        if self.training or self.statistics == "running":
            return self.network
        if self._shared:
            return self._shared[0]
        if not self._by_tile:
            self._by_tile = (with_tile_statistics(self.network),)
        return self._by_tile[0]

    @override
    def train(self, mode: bool = True) -> Self:
        self._by_tile = self._shared = ()
        return super().train(mode)

    @property
    def sample_tile(self) -> int:
        """Side of the tiles that `share` is to be given of a slide, pixels; 0 if it needs none."""
        return self.tile if self.statistics == "shared" else 0

    @torch.no_grad()
    def share(self, sample: Tensor) -> None:
        """Measure the norms on a sample, for all that follows, where ``statistics`` are shared.

        Args:
            sample: (N, C, h, w), float32 in [0, 1]. Tiles of a slide, or a whole picture.
        """
        if self.statistics == "shared":
            self._shared = (with_shared_statistics(self.network),)
            with measuring(self._shared[0]):
                self({"image": sample})

    @override
    @torch.no_grad()
    def infer(self, image: Tensor, *, overlap: int | None = None, batch_size: int = 8) -> Maps:
        if self.statistics != "shared":
            return super().infer(image, overlap=overlap, batch_size=batch_size)
        made = []
        for one in torch.split(image, 1):  # each picture has statistics of its own
            self.share(sample_of(one, self.tile, multiple_of(self.network)))
            made.append(super().infer(one, overlap=overlap, batch_size=batch_size))
        return {name: torch.cat([maps[name] for maps in made]) for name in made[0]}

    def seen(self, batch: Sample) -> Tensor:
        """The inputs in [-1, 1]: of records the middle tile, of a picture all."""
        picture = self.picture(batch)
        if "stains" in batch:
            picture = centre_crop(picture, (self.tile, self.tile))
        return signed(picture)

    @abstractmethod
    def discriminator_losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        """Loss terms of the discriminators; no gradient may reach a generator."""

    @override
    def picture(self, batch: Sample) -> Tensor:
        """The inputs on top of each other; a batch of tiles has them so already.

        Raises:
            ContractError: If tiles have other channels.
        """
        if "stains" not in batch:
            image = batch["image"]
            if image.shape[1] != 3 * len(self.inputs):
                raise ContractError(
                    f"{type(self).__name__} translates {', '.join(self.inputs)} together, "
                    f"{3 * len(self.inputs)} channels, and the image has {image.shape[1]}: give "
                    "these stains on top of each other"
                )
            return image
        return torch.cat([_rgb(batch["stains"][name]) for name in self.inputs], dim=1)

    @override
    def targets(self, batch: Sample) -> Maps:
        """The true stains of the outputs, (B, 3, tile, tile) in [0, 1]."""
        size = (self.tile, self.tile)
        return {name: centre_crop(_rgb(batch["stains"][name]), size) for name in self.outputs}

    @override
    def truth(self, batch: Sample, size: tuple[int, int]) -> dict[str, Any]:
        """Stains as they are predicted: of three channels."""
        truth = super().truth(batch, size)
        return truth | {"stains": {name: _rgb(m) for name, m in truth["stains"].items()}}

    @override
    def training_step(self, batch: Sample, batch_idx: int) -> None:  # type: ignore[override]
        outputs = self(batch)
        now = (batch_idx + 1) % self.accumulate == 0 or self.trainer.is_last_batch
        found: dict[str, Tensor] = {}
        for side in self.order:
            if side == "generators":
                # fixed, so that no gradient is made for them, nor a cast kept from their own turn
                with fixed(self.discriminators):
                    terms = self.losses(batch, outputs)
                    self._descend(terms["loss"], 0, batch, step=now)
                found |= terms
            else:
                terms = self.discriminator_losses(batch, outputs)
                self._descend(terms["loss"], 1, batch, step=now)
                found |= {f"d_{name}": term for name, term in terms.items()}
        size = len(self.picture(batch))
        for name in ("loss", "d_loss"):
            self.log(f"step/{name}", found[name].detach(), batch_size=size)
        self._log_terms("train", found, size)

    def _descend(self, loss: Tensor, side: int, batch: Sample, *, step: bool) -> None:
        """One side's backward pass, and its step where it is due."""
        self._check_finite(loss, batch)
        self.manual_backward(loss / self.accumulate)
        if step:
            optimizer = self.optimizers()[side]  # type: ignore[index]
            optimizer.step()
            optimizer.zero_grad()
            torch.clear_autocast_cache()  # it may hold casts of the weights of before

    @override
    def on_validation_epoch_start(self) -> None:
        """Let scores of sets rest in epochs that are not theirs: they take long."""
        trainer = self.trainer
        fitting = trainer.state.fn == "fit" and not trainer.sanity_checking
        first, self._scored_sets = fitting and not self._scored_sets, self._scored_sets or fitting
        last = trainer.current_epoch + 1 == trainer.max_epochs
        for metric in self.val_scores.values():
            if isinstance(metric, DistributionScores):
                turn = (trainer.current_epoch + 1) % metric.every_n_epochs == 0
                # the first too, so that callbacks find what they monitor, also in a resumed run
                metric.resting = trainer.sanity_checking or (
                    fitting and not (first or turn or last)
                )

    @override
    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        if self.clip is not None:  # here 16-bit gradients have their true size again
            self.clip_gradients(optimizer, gradient_clip_val=self.clip)

    @override
    def on_fit_start(self) -> None:
        super().on_fit_start()
        scaled = getattr(self.trainer.precision_plugin, "scaler", None) is not None
        if scaled and self.accumulate > 1:
            raise ValueError(
                "trainer.precision=16-mixed rescales losses between the two sides, so gradients of "
                "several batches do not add up: use bf16-mixed, or accumulate_grad_batches=1"
            )

    @override
    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        for schedule in self.lr_schedulers():  # type: ignore[union-attr]
            if not isinstance(schedule, ReduceLROnPlateau):
                schedule.step()
            elif self.monitor in self.trainer.callback_metrics:  # not every epoch is validated
                schedule.step(self.trainer.callback_metrics[self.monitor])

    @override
    def configure_optimizers(self) -> Any:
        generators = self.optimizer_of(self.network.parameters())
        judging = [p for p in self.discriminators.parameters() if p.requires_grad]
        discriminators = self.optimizer_recipe(judging)
        for group in discriminators.param_groups:
            group["lr"] *= self.discriminator_lr
        return [generators, discriminators], [
            self._schedule(optimizer, name)
            for optimizer, name in ((generators, "generators"), (discriminators, "discriminators"))
        ]

    def _schedule(self, optimizer: Optimizer, name: str) -> dict[str, Any]:
        if by_step(self.scheduler_recipe):
            raise ValueError(
                "model.scheduler is stepped each batch, and models with discriminators step theirs "
                "each epoch: choose another, such as model/scheduler=linear_decay"
            )
        schedule: LRScheduler = self.scheduler_recipe(optimizer)
        return {"scheduler": schedule, "name": f"lr/{name}"}


def signed(picture: Tensor) -> Tensor:
    """[0, 1] to [-1, 1], which networks of translators see and say."""
    return picture * 2 - 1


def unsigned(made: Tensor) -> Tensor:
    """[-1, 1] to [0, 1], float32; exactly what DeepLIIF scales by 255."""
    return (made.float() + 1) / 2


def check_tile(network: nn.Module, tile: int) -> None:
    """Refuse a tile that a part of the network cannot halve as often as it does.

    Raises:
        ValueError: Naming the part and what it takes.
    """
    for part in network.modules():
        multiple = getattr(part, "multiple", 1)
        if tile % multiple:
            raise ValueError(
                f"model.tile is {tile} px; {type(part).__name__} takes multiples of {multiple} px:"
                " set model.tile and data.tile, or fewer halvings (depth) of that network"
            )


def _rgb(stain: Tensor) -> Tensor:
    """A gray stain (B, 1, H, W) as the three channels that networks see."""
    return stain.expand(-1, 3, -1, -1)
