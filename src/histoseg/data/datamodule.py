"""The one Lightning data module for tiles and images."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, cast

import cv2
import numpy as np
import pytorch_lightning as pl
from torch.utils.data import DataLoader
from typing_extensions import override

from histoseg.contracts import Array, Record, Sample
from histoseg.data.augment import Augment
from histoseg.data.centre import CentreTile
from histoseg.data.counts import Records as Records
from histoseg.data.draws import Draws
from histoseg.data.file_dataset import FileDataset
from histoseg.data.sample import widened
from histoseg.data.sampling import Sampling
from histoseg.data.tiles import Tiles as Tiles
from histoseg.data.whole_images import Exactly, ReadableImages, Skipped, WholeImages


class TileDataModule(pl.LightningDataModule):
    """Training, validation and test loaders of one data set.

    Training draws augmented tiles; validation sees the centre tile of each image; test sees whole
    images, one at a time, since a score is only comparable when nothing of an image is left out.
    Both see images as ``augment.whole`` leaves them, if the augmentation has it.

    Loaders give packed batches (uint8 and int32); the trainer widens each on the device, by
    `on_after_batch_transfer`. Whoever loops over a loader by hand calls it too.

    Args:
        dataset: The data set's class as a recipe; called with the keywords of one split.
        splits: Keywords by split: ``train``, ``val`` and, if there is one, ``test``. With ``fold``,
            by fold first.
        fold: Which of the folds of a published cross-validation; None for data without.
        augment: Augmentation of training records, giving tiles.
        classes: Names of the classes 1..K; empty for a data set without classes.
        colours: K RGB triples 0..255 for pictures and QuPath.
        mpp: Micrometres per pixel; None where the data set does not say.
        stains: Names of the stains that each record has, in the order to show them; empty for
            data of images.
        label_stains: Those of them that are label pictures.
        channels: Names of the channels of each image, in their order; empty for RGB.
        tasks: What scribbles tell apart: the classes of each task, by its name; empty for data
            without scribbles. `histoseg.contracts.planes_of` names the planes.
        objects: The task whose objects are annotated as instances, with ``classes`` if several.
        tile: Side of the square tiles that models get, pixels.
        batch_size: Tiles in a batch, per device.
        tiles_per_image: Random tiles of each training image in an epoch; one is right where
            images are tiles, and too few where they are large.
        sampling: How often each training image is drawn; None for once an epoch.
        num_workers: Loader processes per device.
        seed: Seed of order and augmentation.
        pin_memory: Page-locked batches, for faster copies to a GPU.
        normalise: What a model wants done to each whole image first; of all splits.
        learns: Maps that a model learns from; training tiles have no others. None for all.

    Attributes:
        skipped: Images that the last test left out because they could not be read (with
            ``dataset.on_error=skip``; else the first of them stops the test).
    """

    def __init__(
        self,
        dataset: Callable[..., Records],
        splits: Mapping[str, Any],
        augment: Augment | CentreTile,
        *,
        classes: Sequence[str],
        tile: int,
        batch_size: int,
        seed: int,
        fold: int | None = None,
        colours: Sequence[Sequence[int]] = (),
        mpp: float | None = None,
        stains: Sequence[str] = (),
        label_stains: Sequence[str] = (),
        channels: Sequence[str] = (),
        tasks: Mapping[str, Sequence[str]] | None = None,
        objects: str | None = None,
        tiles_per_image: int = 1,
        sampling: Sampling | None = None,
        num_workers: int = 0,
        pin_memory: bool = False,
        normalise: Callable[[Array], Array] | None = None,
        learns: Collection[str] | None = None,
    ) -> None:
        super().__init__()
        if len(colours) not in (0, len(classes)):
            raise ValueError(f"{len(colours)} colours for {len(classes)} classes: give one each")
        if unknown := set(label_stains) - set(stains):
            raise ValueError(f"label_stains names {sorted(unknown)}, stains only {list(stains)}")
        if tiles_per_image < 1:
            raise ValueError(f"tiles_per_image is {tiles_per_image}; expected 1 or more")
        self.dataset, self.augment = dataset, augment
        self.splits = splits if fold is None else _of_fold(splits, fold)
        self.classes, self.colours, self.mpp = list(classes), colours, mpp
        self.stains, self.label_stains = tuple(stains), tuple(label_stains)
        self.channels, self.tasks, self.objects = tuple(channels), dict(tasks or {}), objects
        self.tile, self.batch_size, self.seed = tile, batch_size, seed
        self.tiles_per_image, self.sampling = tiles_per_image, sampling
        self.num_workers, self.pin_memory = num_workers, pin_memory
        self.normalise, self.learns = normalise, learns
        self.skipped: list[Skipped] = []
        self._open: dict[str, Records] = {}

    def records(self, split: str) -> Records:
        """The data set of a split, opened once.

        Raises:
            ValueError: If the data have no such split.
        """
        if split not in self.splits:
            raise ValueError(f"no split {split!r}; these data have {', '.join(self.splits)}")
        if split not in self._open:
            self._open[split] = self.dataset(**self.splits[split])
        return self._open[split]

    @override
    def train_dataloader(self) -> DataLoader[Sample]:
        records = self.records("train")
        tiles = Tiles(records, self.augment, self.tiles_per_image, self.normalise, self.learns)
        weights = self.sampling.weights(records, self.classes) if self.sampling else None
        length = len(Draws(len(tiles), seed=self.seed, shuffle=True))
        # a last, smaller batch would weigh its tiles more; but never drop the only batch
        drop_last = length >= self.batch_size
        draws = None if weights is None else np.tile(weights, self.tiles_per_image)
        return self._loader(tiles, shuffle=True, drop_last=drop_last, weights=draws)

    @override
    def val_dataloader(self) -> DataLoader[Sample]:
        seen = self._seen(CentreTile(self.tile))
        return self._loader(Tiles(self.records("val"), seen, normalise=self.normalise))

    @override
    def test_dataloader(self) -> DataLoader[Sample]:
        records = self.records("test")
        if not isinstance(records, FileDataset):
            tiles = Tiles(records, self._seen(_unchanged), normalise=self.normalise)
            return self._loader(tiles, batch_size=1)
        # a neighbour in place of an unreadable image would count twice, and nobody would know
        images = WholeImages(
            Tiles(Exactly(records), self._seen(_unchanged), normalise=self.normalise),
            records.ids,
        )
        return ReadableImages(
            images,
            self.skipped,
            records.on_error,
            sampler=Draws(len(images), seed=self.seed, shuffle=False),
            **self._options(),
        )

    def _seen(self, then: Callable[[Record, int], Record]) -> Callable[[Record, int], Record]:
        """What is done to a record of validation and test."""
        whole = getattr(self.augment, "whole", None)
        return then if whole is None else partial(_resized_first, whole, then)

    @override
    def on_after_batch_transfer(self, batch: Sample, dataloader_idx: int) -> Sample:
        """Make of a packed batch, on the device by now, one that models take."""
        return widened(batch)

    def _loader(
        self,
        tiles: Tiles,
        *,
        shuffle: bool = False,
        drop_last: bool = False,
        batch_size: int | None = None,
        weights: Array | None = None,
    ) -> DataLoader[Sample]:
        return DataLoader(
            tiles,
            batch_size=batch_size or self.batch_size,
            sampler=Draws(
                len(tiles),
                seed=self.seed,
                shuffle=shuffle,
                weights=weights,
                parts=getattr(tiles.records, "parts", 1),
                batch_size=batch_size or self.batch_size,
            ),
            drop_last=drop_last,
            **self._options(),
        )

    def _options(self) -> dict[str, Any]:
        return {
            "num_workers": self.num_workers,
            "persistent_workers": self.num_workers > 0,
            "pin_memory": self.pin_memory,
            "worker_init_fn": _one_thread,
        }


def _of_fold(splits: Mapping[str, Any], fold: int) -> Mapping[str, Any]:
    chosen = splits.get(str(fold))
    if chosen is None:
        raise ValueError(f"fold is {fold}; these data have folds {', '.join(splits)}")
    return cast("Mapping[str, Any]", chosen)


def _resized_first(
    whole: Augment, then: Callable[..., Record], record: Record, seed: int
) -> Record:
    return then(whole(record, 0), seed)


def _unchanged(record: Record, seed: int) -> Record:
    return record


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(0)  # workers are the parallelism; threads inside them only fight
