"""ImPartial: cells from a few scribbles, helped by explaining the image itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from typing_extensions import override

from histoseg.contracts import BACKGROUND, Array, Maps, Sample, planes_of
from histoseg.errors import CheckpointError, ContractError
from histoseg.losses import ImPartialLoss, MixtureLayout
from histoseg.metrics import ObjectThreshold, StrokeThreshold
from histoseg.modules.base import Module, Outputs
from histoseg.modules.impartial_pictures import binary_entropy, pictures
from histoseg.modules.impartial_tasks import check_strokes, mixture_tasks
from histoseg.networks import ImPartial as Network
from histoseg.ops.strokes import false_colour
from histoseg.ops.weight_files import read_saved
from histoseg.postprocess import ProbabilityObjects
from histoseg.postprocess.decoder import Decoder
from histoseg.postprocess.probability import UNTUNED
from histoseg.targets import blind_spots
from histoseg.weights import impartial as official
from histoseg.weights.unlike import unlike

_log = logging.getLogger(__name__)
TILES = 8
"""Tiles in one call of the layers, of all passes together."""


class ImPartial(Module):
    """Several tasks of several classes; each class and each background is a mixture of components.

    Args:
        network: Recipe of `histoseg.networks.ImPartial`, given ``inputs`` and ``outputs``.
        tasks: The classes of each task, in the order of `histoseg.contracts.planes_of`.
        channels: Names of the image's channels.
        objects: The task whose objects are found; the first where None.
        mixture: What `mixture_tasks` takes besides: components, explained channels, weights.
        objective: What `histoseg.losses.ImPartialLoss` takes, and ``log_std``: whether components
            have a spread.
        blind: What `histoseg.targets.blind_spots` takes, and ``validation``: whether there are
            some in validation too.
        passes: Stochastic passes of each image in test and prediction; 0 for one without dropout.
        val_passes: Likewise in validation.
        pass_seed: What passes drop depends on it alone.
        tune: Where the post-process has no threshold: that which parts the ``strokes`` of
            validation best, or finds the ``objects`` of validation best.
        window: Side of the tiles of test and prediction, px; a smaller picture is taken whole.
        pretrained: Weights to start from; see `load_pretrained`.
        facts: What `Module` takes; its ``tile`` is the least side of training tiles.

    Attributes:
        tuned: The threshold of each class of ``objects``, (C,); checkpoints keep it.

    Source:
        nadeemlab/ImPartial; https://doi.org/10.1101/2021.01.20.427458.
    """

    consumes: ClassVar[frozenset[str]] = frozenset({"image", "scribbles"})
    tuned: Tensor

    def __init__(
        self,
        network: Callable[..., Network],
        *,
        tasks: Mapping[str, Sequence[str]],
        channels: Sequence[str],
        mixture: Mapping[str, Any],
        objective: Mapping[str, Any],
        blind: Mapping[str, Any],
        objects: str | None = None,
        passes: int = 10,
        val_passes: int = 3,
        pass_seed: int = 0,
        tune: Literal["strokes", "objects"] = "strokes",
        window: int = 512,
        pretrained: str | None = None,
        **facts: Any,
    ) -> None:
        settings = dict(objective)
        way, log_std = settings.get("reconstruction", "mixture"), settings.pop("log_std", False)
        layout = MixtureLayout(
            mixture_tasks(tasks, channels, **mixture),
            means=way == "mixture",
            log_std=log_std,
            direct=len(channels) * (way == "picture"),
        )
        super().__init__(network(inputs=len(channels), outputs=layout.outputs), **facts)
        self.network: Network
        self.tile = window
        self.tasks, self.channels = {n: tuple(c) for n, c in tasks.items()}, tuple(channels)
        self.objects = next(iter(self.tasks)) if objects is None else objects
        if self.objects not in self.tasks:
            raise ValueError(f"objects is {objects!r}; there are the tasks {list(self.tasks)}")
        self.loss, self.planes = ImPartialLoss(layout, **settings), planes_of(self.tasks)
        self.blind = dict(blind)
        self.blind_in_validation = self.blind.pop("validation", False)
        self.passes, self.val_passes, self.pass_seed = passes, val_passes, pass_seed
        if not self.network.dropout:
            self.passes = self.val_passes = 0
        count = len(self.tasks[self.objects])
        tuners = {"strokes": StrokeThreshold(count), "objects": ObjectThreshold()}
        if tune not in tuners:
            raise ValueError(f"tune is {tune!r}: expected {' or '.join(tuners)}")
        self.tuner: Metric = tuners[tune]
        self.register_buffer("tuned", torch.full((count,), UNTUNED))
        self.strokes = torch.zeros(len(self.planes))  # no buffer: each rank has its own
        if pretrained is not None:
            self.load_pretrained(Path(pretrained))

    @override
    def forward(self, batch: Sample) -> Outputs:
        image = batch["image"]
        if not self.training and "scribbles" not in batch:
            return self._classes(image)
        blinds = self.training or self.blind_in_validation
        seen, blind = blind_spots(image, **(self.blind if blinds else {"share": 0.0}))
        if self.training or not self.val_passes:
            return {"raw": self.network(seen), "blind": blind}
        return {"raw": torch.cat(list(self._samples(seen, self.val_passes))), "blind": blind}

    def _samples(self, image: Tensor, passes: int) -> Iterator[Tensor]:
        at_once = max(1, TILES // len(image))
        return self.network.samples(image, passes, seed=self.pass_seed, at_once=at_once)

    def _classes(self, image: Tensor) -> Outputs:
        """Probabilities of each task's classes, of each pass: (T, B, C, H, W) by task."""
        raws = self._samples(image, self.passes) if self.passes else [self.network(image)[None]]
        parts = [self._by_task(raw) for raw in raws]
        return {name: torch.cat([part[name] for part in parts]) for name in self.tasks}

    def _by_task(self, raw: Tensor) -> Outputs:
        read = zip(self.tasks, self.loss.layout.read(raw.float()), strict=True)
        classes = {name: task.classes[..., :-1, :] for name, task in read}
        return {name: m.reshape(*m.shape[:-1], *raw.shape[-2:]) for name, m in classes.items()}

    @override
    def losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        scribbles = batch["scribbles"]
        if scribbles.shape[1] != len(self.planes):
            raise ContractError(
                f"the scribbles have {scribbles.shape[1]} planes, the model's tasks "
                f"{dict(self.tasks)} need {len(self.planes)}: the classes of each task and its "
                "background. Set data.tasks to those of the data"
            )
        return self.loss(outputs["raw"], batch["image"], scribbles, outputs["blind"])

    @override
    def maps(self, outputs: Outputs) -> Maps:
        if "raw" in outputs:
            raw = outputs["raw"]
            outputs = self._by_task(raw if raw.ndim == 5 else raw[None])
        maps = Maps()
        for name, passes in outputs.items():
            maps[name] = passes.mean(0)
            if len(passes) > 1:
                maps[f"{name}_variance"] = passes.var(0, unbiased=False)
            maps[f"{name}_entropy"] = binary_entropy(maps[name])
        return maps

    @override
    def targets(self, batch: Sample) -> Maps:
        planes = iter(batch["scribbles"].float().unbind(1))
        return {
            task: torch.stack([next(planes) for _ in (*classes, BACKGROUND)][:-1], 1)
            for task, classes in self.tasks.items()
        }

    @override
    def infer(self, image: Tensor, *, overlap: int | None = None, batch_size: int = 8) -> Maps:
        if self.network.least <= min(image.shape[-2:]) <= max(image.shape[-2:]) <= self.tile:
            return self.tile_maps(image)
        return super().infer(image, overlap=overlap, batch_size=batch_size)

    @property
    @override
    def decoder(self) -> Decoder:
        """With the tuned threshold, where the configuration has none."""
        if isinstance(self.postprocess, ProbabilityObjects) and self.postprocess.threshold is None:
            return Decoder(replace(self.postprocess, threshold=tuple(self.tuned.tolist())))
        return Decoder(self.postprocess)

    @override
    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        if self.current_epoch == 0:
            seen = batch["scribbles"].sum((0, 2, 3))
            self.strokes = self.strokes.to(seen.device) + seen
        return super().training_step(batch, batch_idx)

    @override
    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        if self.current_epoch == 0:
            seen = self.trainer.strategy.reduce(self.strokes, reduce_op="sum")
            check_strokes(self.planes, seen.tolist())

    @override
    def validation_step(self, batch: Sample, batch_idx: int) -> dict[str, Any]:
        shown = super().validation_step(batch, batch_idx)
        probability = shown["maps"][self.objects].float()
        if isinstance(self.tuner, StrokeThreshold):
            own = [plane.task == self.objects for plane in self.planes]
            self.tuner.update(probability.flatten(2), batch["scribbles"][:, own].flatten(2))
        elif "instances" in batch:
            arrays = probability.cpu().numpy()
            for one, array in zip(batch["instances"], arrays, strict=True):
                self.tuner.update(one, array, self._labels_at)
        return shown

    @override
    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        if self.tuner.update_called:
            found = self.tuner.compute().to(self.tuned).expand_as(self.tuned)
            self.tuned.copy_(torch.where(found.isfinite(), found, self.tuned))
            names = self.tasks[self.objects]
            self.log_dict(
                {f"threshold/{n}": v for n, v in zip(names, self.tuned.tolist(), strict=True)}
            )
            self.tuner.reset()

    @override
    def _score(self, scores: MetricCollection, batch: Sample, maps: Maps) -> dict[str, Any]:
        """As always where objects are annotated; else there is only something to look at."""
        if "instances" in batch:
            shown = super()._score(scores, batch, maps)
        else:
            shown = {"image": batch["image"], "maps": maps, **self.decode(maps)}
        shown["image"] = false_colour(shown["image"])
        return shown | {"pictures": pictures(self.tasks, batch, shown)}

    @override
    def _log_scores(self, scores: MetricCollection) -> None:
        if any(metric.update_called for metric in scores.values()):
            super()._log_scores(scores)

    def _labels_at(self, probability: Array, threshold: float) -> Array:
        assert isinstance(self.postprocess, ProbabilityObjects)
        return replace(self.postprocess, threshold=threshold).label(probability)[1]

    def load_pretrained(self, path: Path) -> None:
        """Load weights of histoseg or of the original into the network.

        A head of other tasks starts anew, is logged, and stands in ``untrained``.

        Args:
            path: A checkpoint of histoseg, or a file as `read_official` takes it.

        Raises:
            CheckpointError: If the file is damaged or holds another network.
        """
        content = read_saved(path)
        if isinstance(content, dict) and "histoseg" in content:
            state = {k: v for k, v in content["state_dict"].items() if k.startswith("network.")}
            weights = {key.removeprefix("network."): value for key, value in state.items()}
        else:
            weights = official.read_official(path)
        fresh, head = self.network.state_dict(), weights.get("head.weight")
        if head is not None and len(head) != self.network.outputs:
            weights |= {key: fresh[key] for key in ("head.weight", "head.bias")}
            self.untrained = f"head: the file gives {len(head)} maps, the model's tasks need others"
            _log.info("%s: what starts anew is the %s", path, self.untrained)
        wrong = unlike(weights, {key: tuple(value.shape) for key, value in fresh.items()})
        if wrong:
            raise CheckpointError(
                f"{path} does not fit the configured network: {wrong}. Set model.network.width, "
                "depth and batch_norm, and channels, as the file was trained with"
            )
        self.network.load_state_dict(weights)
