"""Do translated pictures look, as a set, like real ones: FID, KID and the Inception Score."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torchmetrics import Metric

from histoseg.metrics.extractors import identity
from histoseg.metrics.feature_rows import MARK, FeatureSet, extracted, feature_set, marks
from histoseg.metrics.frozen import Frozen
from histoseg.metrics.functional.frechet import frechet_distance, gaussian, too_few
from histoseg.metrics.functional.inception_score import inception_score
from histoseg.metrics.functional.kernel_distance import kernel_distance
from histoseg.metrics.functional.unit_range import to_levels
from histoseg.metrics.known_features import KnownFeatures
from histoseg.metrics.real_statistics import RealStatistics
from histoseg.metrics.stain_means import named_once

NAN = float("nan")
Extract = Callable[[Tensor], tuple[Tensor, Tensor]]


class DistributionScores(Metric):
    """FID and KID of translated against real pictures, by stain, from one pass of a network.

    The two sides are sets: they need not show the same places, nor be equally many. With both
    domains of a cycle as stains, both directions are scored. The Inception Score is there where
    the extractor also gives logits; it does not look at the real pictures.

    Args:
        stains: Names of the stains, or domains, to score.
        extractor: uint8 pictures (B, 3, H, W) to features (B, d), or features and logits.
        real: Files of `write_real` by stain. The network then skips these real pictures; if they
            come with the batches, they are compared with those of the file.
        cache: Folder that keeps the features of real pictures, for other evaluations with the same
            network; None: they are kept in memory alone. Either way the network sees each real
            picture once.
        every_n_epochs: How often validation during training scores; see ``resting``.
        subsets: Draws of KID.
        subset_size: Images of each side in a draw of KID.
        splits: Parts of the Inception Score.
        seed: Of draws and parts.
        kwargs: Passed on to ``torchmetrics.Metric``.

    Attributes:
        resting: While it is set, batches are passed over and there are no scores.

    Raises:
        ValueError: If ``every_n_epochs`` is below 1, no stain is named, one twice, or a file is of
            another extractor or stain.
    """

    full_state_update = False
    is_differentiable = False
    sizes: Tensor

    def __init__(
        self,
        stains: Sequence[str],
        extractor: nn.Module,
        real: Mapping[str, str | Path] | None = None,
        *,
        cache: str | Path | None = None,
        every_n_epochs: int = 1,
        subsets: int = 100,
        subset_size: int = 1000,
        splits: int = 10,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if every_n_epochs < 1:
            raise ValueError(f"every_n_epochs is {every_n_epochs}; expected 1 or more")
        self.stains = named_once(stains)
        self.every_n_epochs, self.resting = every_n_epochs, False
        self.subsets, self.subset_size, self.splits, self.seed = subsets, subset_size, splits, seed
        self.extractor, self.identity = Frozen(extractor), identity(extractor)
        folder = None if cache is None else Path(cache)
        self.known = KnownFeatures(self.extractor, self.identity, folder)
        files = {name: Path(path) for name, path in (real or {}).items()}
        if unknown := sorted(files.keys() - set(self.stains)):
            raise ValueError(f"real statistics of {unknown}; the stains are {list(self.stains)}")
        self.real = {n: RealStatistics.read(path, self.identity) for n, path in files.items()}
        self.add_state("sizes", torch.zeros(2, dtype=torch.int64), dist_reduce_fx="max")
        for row in range(len(self.stains)):
            for side in ("real", "pred"):  # flat, so that a rank without pictures can join
                self.add_state(f"{side}_{row}", [], dist_reduce_fx="cat")

    def update(self, stains: Mapping[str, Tensor], pred_stains: Mapping[str, Tensor]) -> None:
        """Add a batch; a stain may be on one side only.

        Args:
            stains: Real pictures by stain, each (B, 1 or 3, H, W): uint8, or floating in [0, 1].
            pred_stains: Translated ones, as ``stains``, of any number.

        Raises:
            ValueError: If there is none of the stains, or shape or range are others.
        """
        if self.resting:
            return
        if not {*stains, *pred_stains} & set(self.stains):
            raise ValueError(
                f"nothing to score: of {list(self.stains)}, real pictures are there of "
                f"{list(stains)}, translated ones of {list(pred_stains)}"
            )
        for row, name in enumerate(self.stains):
            if name in stains:
                levels = to_levels(stains[name].detach(), name)
                self._add(f"real_{row}", levels, None if name in self.real else self.known)
            if name in pred_stains:
                levels = to_levels(pred_stains[name].detach(), f"the translation to {name}")
                self._add(f"pred_{row}", levels, partial(extracted, self.extractor))

    def _add(self, state: str, levels: Tensor, extract: Extract | None) -> None:
        rows = marks(levels)
        if extract is not None:
            features, logits = extract(levels)
            self.sizes = torch.tensor([features.shape[1], logits.shape[1]], device=self.device)
            rows = torch.cat([rows, features, logits], dim=1)
        getattr(self, state).append(rows.flatten().to(self.device))

    def compute(self) -> dict[str, Tensor]:
        """``fid/<stain>``, ``kid/<stain>``, ``kid_std/<stain>``; with logits ``is``, ``is_std``.

        NaN where a side has not been seen; nothing while ``resting``. Warns where a set is too
        small for a FID.

        Raises:
            ValueError: If the real pictures are not those of the file.
        """
        scores: dict[str, float] = {}
        if self.resting:
            return {}
        self._keep()
        for name in self.stains:
            pred = self._set("pred", name)
            real = self._real(name)
            fid, kid = NAN, (NAN, NAN)
            if real is not None and min(len(real), len(pred.features)) >= 2:
                _warn(name, too_few(min(len(real), len(pred.features)), int(self.sizes[0])))
                fid = frechet_distance((real.mean, real.covariance), gaussian(pred.features))
                sides = real.features, pred.features
                kid = kernel_distance(*sides, self.subsets, self.subset_size, self.seed)
            scores |= {f"fid/{name}": fid, f"kid/{name}": kid[0], f"kid_std/{name}": kid[1]}
            if self.sizes[1]:
                found = inception_score(pred.logits, self.splits, self.seed)
                scores |= {f"is/{name}": found[0], f"is_std/{name}": found[1]}
        return {name: torch.tensor(value, device=self.device) for name, value in scores.items()}

    def write_real(self, folder: Path) -> list[Path]:
        """Write the statistics of the real pictures seen, ``<stain>.npz``, for ``real``.

        On several ranks call it within ``sync_context()``, and keep the files of one.

        Args:
            folder: Where to.

        Returns:
            The files; none of a stain of which fewer than two real pictures were seen.
        """
        seen = {name: self._real(name) for name in self.stains}
        return [real.write(folder / f"{n}.npz") for n, real in seen.items() if real is not None]

    def _real(self, name: str) -> RealStatistics | None:
        seen = self._set("real", name)
        if name not in self.real:
            few = len(seen.marks) < 2
            return None if few else RealStatistics.of(seen.features, self.identity, seen.data())
        kept = self.real[name]
        if len(seen.marks) and seen.data() != kept.data:
            raise ValueError(
                f"the {len(seen.marks)} real pictures of {name} are not the {len(kept)} of its "
                "file of statistics; leave the file out, or make it anew"
            )
        return kept

    def _keep(self) -> None:
        """Write the features of new real pictures, of all ranks, into the cache."""
        if self.known.path is None:
            return
        for name in set(self.stains) - self.real.keys():
            self.known.learn(*self._rows("real", name))
        if not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0:
            self.known.write()

    def _set(self, side: str, name: str) -> FeatureSet:
        return feature_set(*self._rows(side, name))

    def _rows(self, side: str, name: str) -> tuple[Tensor, int]:
        """Marks, features and logits (n, 4 + d + K), and d."""
        width, classes = self.sizes.tolist()
        if side == "real" and name in self.real:
            width = classes = 0
        state = getattr(self, f"{side}_{self.stains.index(name)}")
        parts = [state] if isinstance(state, Tensor) else state  # a tensor once ranks are joined
        flat = torch.cat(parts) if parts else torch.zeros(0)
        return flat.view(-1, MARK + width + classes), width


def _warn(name: str, why: str) -> None:
    if why:
        warnings.warn(
            f"fid/{name} is biased and not comparable: {why}. Compare kid/{name} instead",
            stacklevel=2,
        )
