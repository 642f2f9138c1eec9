"""Real strips to make synthetic ones of, and what a generator must be to make them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from omegaconf import DictConfig

from histoseg.contracts import Array
from histoseg.data import DeepLIIFStrips
from histoseg.data.datamodule import Records, TileDataModule
from histoseg.engine.data import build_data
from histoseg.engine.synthetic_folder import MADE
from histoseg.errors import (
    CheckpointError,
    ContractError,
    DatasetNotFoundError,
    UnreadableFileError,
)
from histoseg.modules.adversarial import AdversarialModule
from histoseg.modules.base import Module

SPLITS = ("train", "val", "test")


class Parent(NamedTuple):
    """A real strip: its panels (S, S, 3), uint8, by stain; or why it cannot be read."""

    split: str
    name: str
    panels: Mapping[str, Array]
    error: str = ""


def sources(cfg: DictConfig) -> dict[str, Records]:
    """Strips by split: those of ``input``, or else of the data.

    Raises:
        DatasetNotFoundError: If there are none.
        ContractError: If the data lie in the output, or the other way round.
        ValueError: If a split is named that is not there.
    """
    _check_apart(cfg)
    found: dict[str, Records] = {}
    if cfg.input is None:
        data = cast(TileDataModule, build_data(cfg, None))
        found = {split: data.records(split) for split in cfg.data.splits}
    else:
        for split in SPLITS:
            facts = (cfg.data.stains, cfg.data.label_stains, cfg.data.mpp)
            with suppress(DatasetNotFoundError):
                found[split] = DeepLIIFStrips(cfg.input, split, *facts)
        if not found:
            raise DatasetNotFoundError(
                f"input={cfg.input}: expected a folder with strips in {', '.join(SPLITS)} (some of"
                " them)"
            )
    missing = sorted(set(cfg.splits) - set(found))
    if missing or not cfg.splits:
        raise ValueError(f"splits={list(cfg.splits)}: there are {', '.join(found)}; name some")
    return found


def parents(found: Mapping[str, Records]) -> Iterator[Parent]:
    """Read all strips but those that an earlier call made; a bad one does not stop the others."""
    for split, records in found.items():
        names: set[str] = set()
        for index in range(len(records)):
            known = getattr(records, "ids", ())[index : index + 1]
            if known and MADE.fullmatch(known[0]):
                continue
            try:
                record = records[index]
            except UnreadableFileError as error:
                yield Parent(split, known[0] if known else str(index), {}, str(error))
                continue
            name = record["place"].slide
            if name not in names and not MADE.fullmatch(name):  # skipping data repeat others
                names.add(name)
                yield Parent(split, name, record["stains"])


def label_of(module: Module, cfg: DictConfig) -> str:
    """The label picture that a generator translates.

    Raises:
        CheckpointError: If the model does not make pictures of a label picture.
        ContractError: If the data have no stains, or lack some that it needs.
    """
    if not isinstance(module, AdversarialModule):
        raise CheckpointError(
            f"{cfg.ckpt} holds a {type(module).__name__}, which translates nothing; give a run of"
            " model=ihc_generator"
        )
    if not cfg.data.get("stains"):
        raise ContractError("these data have no stains; say data=deepliif_strips")
    labels = set(cfg.data.label_stains)
    seen, made = list(module.inputs), list(module.outputs)
    label = [stain for stain in seen if stain in labels]
    if len(label) != 1 or labels & set(made):
        raise CheckpointError(
            f"{cfg.ckpt} holds a {type(module).__name__} that translates {', '.join(seen)} to"
            f" {', '.join(made)}: expected one that sees one label picture of"
            f" data.label_stains={sorted(labels)} and makes none; give a run of"
            " model=ihc_generator"
        )
    missing = [stain for stain in (*seen, *made) if stain not in cfg.data.stains]
    if missing:
        raise ContractError(
            f"the strips have no panel {', '.join(missing)}: data.stains is"
            f" {list(cfg.data.stains)}, the generator translates {', '.join(seen)} to"
            f" {', '.join(made)}. Name the panels from left to right as the generator does"
        )
    return label[0]


@dataclass(frozen=True)
class Generator:
    """A translator on strips of any size, always with the same number of tiles at a time.

    A last batch is filled up: libraries choose how to compute by the size of a batch, and what
    is made of a strip shall not depend on the others.

    Attributes:
        module: On its device, in eval mode.
        batch_size: Strips at a time.
        overlap: Px by which outputs of neighbouring tiles overlap; None for what the model says.
        dtype: Of mixed precision; None for float32.
    """

    module: AdversarialModule
    batch_size: int
    overlap: int | None
    dtype: torch.dtype | None

    def __call__(self, sets: Sequence[Mapping[str, Array]]) -> list[dict[str, Array]]:
        """Translate panels.

        Args:
            sets: At most `batch_size`, of one size; panels (S, S, 3), uint8, by stain.

        Returns:
            The outputs of each, likewise.
        """
        seen = [np.concatenate([one[s] for s in self.module.inputs], axis=2) for one in sets]
        batch = np.zeros((self.batch_size, *seen[0].shape), np.uint8)
        batch[: len(seen)] = seen
        device, decoder = self.module.device, self.module.decoder
        pixels = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2).float().div(255)
        with torch.autocast(device.type, self.dtype, enabled=self.dtype is not None):
            maps = self.module.infer(pixels, overlap=self.overlap, batch_size=self.batch_size)
        arrays = {name: maps[name].float().cpu().numpy() for name in self.module.outputs}
        return [
            {name: decoder.picture(values[i]) for name, values in arrays.items()}
            for i in range(len(sets))
        ]


def _check_apart(cfg: DictConfig) -> None:
    """Refuse to write strips where they would be read, or the other way round."""
    root = cfg.input or cfg.data.get("dataset", {}).get("root")
    if root is None:
        return
    here, there = Path(cfg.output).resolve(), Path(root).resolve()
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise ContractError(
            f"output={cfg.output} and the strips in {root} lie in each other, so that what is made "
            "would be read as real: give another output="
        )
