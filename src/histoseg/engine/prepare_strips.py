"""From single pictures of stains to the strips that DeepLIIF trains on."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from histoseg import __version__
from histoseg.contracts import Array
from histoseg.data.splits import load_splits, make_splits
from histoseg.errors import ContractError, UnreadableFileError
from histoseg.ops.backgrounds import Backgrounds
from histoseg.postprocess import DeepLIIFCells
from histoseg.prepare.stain_sets import Remark, StainSet, StainSets
from histoseg.prepare.strip_files import StripFolder, panels_of

log = logging.getLogger(__name__)


def prepare_strips(cfg: DictConfig) -> dict[str, Any]:
    """Join the pictures of each field into strips, share them out, and measure what is beside them.

    Args:
        cfg: Composed from ``conf/prepare.yaml``, with a recipe that has ``sets``.

    Returns:
        ``strips``: how many of each split; ``left_out``: how many fields.

    Raises:
        DatasetNotFoundError: If there are no pictures.
        UnreadableFileError: After all fields, if some cannot be read.
        ContractError: If the output folder is not one of ours, or there is no complete field.
    """
    recipe = cfg.prepare
    sets: StainSets = instantiate(recipe.sets)
    found, remarks = sets.find()
    left_out = len(remarks)
    if not found:
        raise ContractError(f"no field is complete: {remarks[0].file}, {remarks[0].why}")
    splits = _shared_out(found, recipe)
    depths = sets.depths(found)
    folder = StripFolder(Path(cfg.output), sets.stains, splits, [__version__, asdict(sets), depths])
    truths = Truths(sets.label_stains, instantiate(recipe.cells))
    for one in tqdm(found, unit="field", disable=not sys.stderr.isatty()):
        try:
            hashes = one.hashes()
            strips, said = folder.kept(one, hashes)
            if not strips:
                strips, said = sets.read(one, depths)
                folder.write(strips, said, one, hashes)
        except UnreadableFileError as error:
            remarks.append(Remark(one.name, "", str(error), failed=True))
            continue
        remarks += said
        for strip in strips:
            truths.add(strip.name, splits[one.name], panels_of(strip.pixels, folder.stains))
    folder.write_json("backgrounds.json", truths.backgrounds.colours())
    for split, scorings in truths.scorings.items():
        folder.write_json(f"{split}/metrics.json", scorings)
    folder.write_tables(remarks)
    return _told(folder, remarks, left_out)


class Truths:
    """What label pictures say of strips: backgrounds of the training ones, counts of the others.

    Args:
        label_stains: Names of the label pictures; without one nothing is said.
        cells: How cells are found in them.

    Attributes:
        backgrounds: Of the training strips.
        scorings: Split -> strip -> counts; with several label pictures, by their names.
    """

    def __init__(self, label_stains: Sequence[str], cells: DeepLIIFCells) -> None:
        self.label_stains, self.cells = tuple(label_stains), cells
        self.backgrounds = Backgrounds(label_stains)
        self.scorings: dict[str, dict[str, Any]] = {}

    def add(self, name: str, split: str, panels: Mapping[str, Array]) -> None:
        """Measure a strip.

        Args:
            name: Of the strip.
            split: Its split.
            panels: (S, S, 3), uint8, by stain.
        """
        if not self.label_stains:
            return
        if split == "train":
            self.backgrounds.add(panels)
            return
        counts = {stain: self._count(panels[stain]) for stain in self.label_stains}
        single = next(iter(counts.values())) if len(counts) == 1 else counts
        self.scorings.setdefault(split, {})[name] = single

    def _count(self, seg: Array) -> dict[str, Any]:
        nuclei = self.cells.find_in(np.ascontiguousarray(seg)).nuclei()
        calls = self.cells.settle([nuclei])
        return calls.scoring(calls(nuclei).semantic, self.cells.seg_thresh).fields()


def _shared_out(found: list[StainSet], recipe: DictConfig) -> dict[str, str]:
    """Name of a field -> its split."""
    groups = {one.name: one.group for one in found}
    fractions = dict(recipe.fractions)
    if recipe.split_file is None:
        splits = make_splits(groups, fractions, recipe.seed)
    else:
        splits = load_splits(Path(recipe.split_file), groups, fractions, recipe.seed)
    return {name: split for split, names in splits.items() for name in names}


def _told(folder: StripFolder, remarks: list[Remark], left_out: int) -> dict[str, Any]:
    counts = dict(Counter(row["split"] for row in folder.rows))
    shares = ", ".join(f"{n} to {split}" for split, n in counts.items())
    log.info("%d strips (%s): %s", len(folder.rows), shares or "none", folder.root)
    failed = [remark for remark in remarks if remark.failed]
    odd = [remark for remark in remarks[left_out:] if not remark.failed]
    for some, what in ((remarks[:left_out], "left out"), (odd, "to look at")):
        if some:
            first = f"{some[0].file}: {some[0].why}"
            log.warning("%d %s, all in report.csv. The first: %s", len(some), what, first)
    if failed:
        raise UnreadableFileError(
            f"{len(failed)} fields failed: {'; '.join(r.why for r in failed[:3])}. All else is in "
            f"{folder.root}, all reasons in its report.csv. Mend them and run the command again"
        )
    return {"strips": counts, "left_out": left_out}
