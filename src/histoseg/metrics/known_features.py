"""Features of pictures that come again: the real ones, at every validation and evaluation."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from histoseg.errors import UnreadableFileError
from histoseg.metrics.feature_rows import MARK, extracted, marks
from histoseg.metrics.frozen import Frozen


class KnownFeatures:
    """Ask a network once about each picture; copies of a metric share what is known.

    Pictures are known by the SHA-256 of their 256 levels, so nothing can be taken for another:
    splits, crops and data sets may share one folder.

    Args:
        extractor: As `extracted` takes it.
        identity: SHA-256 of the network.
        folder: Where features are kept for other runs, ``features-<identity>.npz``; None: nowhere.

    Raises:
        UnreadableFileError: If the file is damaged.
    """

    def __init__(self, extractor: Frozen, identity: str, folder: Path | None) -> None:
        self.extractor = extractor
        self.path = None if folder is None else folder / f"features-{identity[:16]}.npz"
        self.known: dict[bytes, tuple[Tensor, Tensor]] = {}
        self.written = 0
        if self.path is not None and self.path.is_file():
            self.known = _read(self.path)
            self.written = len(self.known)

    def __deepcopy__(self, memo: dict[int, Any]) -> KnownFeatures:
        return self

    def __call__(self, levels: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, d) and logits (B, K), float32, of pictures (B, 3, H, W), uint8."""
        keys = _keys(marks(levels))
        new = [i for i, key in enumerate(keys) if key not in self.known]
        if new:
            found = extracted(self.extractor, levels[new])
            self._add([keys[i] for i in new], *found)
        features, logits = zip(*(self.known[key] for key in keys), strict=True)
        return torch.stack(features).to(levels.device), torch.stack(logits).to(levels.device)

    def learn(self, rows: Tensor, width: int) -> None:
        """Take over what other ranks asked: marks, features and logits, (n, 4 + d + K)."""
        parts = rows[:, MARK : MARK + width], rows[:, MARK + width :]
        self._add(_keys(rows[:, :MARK]), *parts)

    def write(self) -> None:
        """Keep what is new in the folder, beside what another run has put there meanwhile."""
        if self.path is None or len(self.known) == self.written:
            return
        if self.path.is_file():
            self.known = _read(self.path) | self.known
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(f"{self.path.name}.part")
        features, logits = (
            torch.stack(part).numpy() for part in zip(*self.known.values(), strict=True)
        )
        marks_ = np.frombuffer(b"".join(self.known), "<f4").reshape(-1, MARK)
        with unfinished.open("wb") as file:
            np.savez(file, marks=marks_, features=features, logits=logits)
        unfinished.replace(self.path)
        self.written = len(self.known)

    def _add(self, keys: list[bytes], features: Tensor, logits: Tensor) -> None:
        rows = zip(features.cpu(), logits.cpu(), strict=True)
        self.known |= dict(zip(keys, ((f.clone(), p.clone()) for f, p in rows), strict=True))


def _keys(marks_: Tensor) -> list[bytes]:
    return [row.tobytes() for row in marks_.cpu().numpy().astype("<f4")]


def _read(path: Path) -> dict[bytes, tuple[Tensor, Tensor]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            marks_, features, logits = (
                torch.from_numpy(arrays[key]) for key in ("marks", "features", "logits")
            )
    except (KeyError, TypeError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UnreadableFileError(
            f"{path} is no file of features ({error}); delete it, it is made anew"
        ) from error
    return dict(zip(_keys(marks_), zip(features, logits, strict=True), strict=True))
