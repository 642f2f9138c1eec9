"""Features of pictures, each with the mark of its picture: the same set in any order of batches."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from histoseg.contracts import Array
from histoseg.metrics.frozen import Frozen

MARK = 4
"""Numbers of a mark. Each holds 24 bits of the picture's SHA-256, which float32 does exactly: so
marks and features are one tensor, and ranks exchange one."""


class FeatureSet(NamedTuple):
    """Features of a set, in the order of the marks.

    Attributes:
        marks: (n, 4), float32.
        features: (n, d), float32.
        logits: (n, K), float32; K is 0 where the network gives none.
    """

    marks: Array
    features: Array
    logits: Array

    def data(self) -> str:
        """SHA-256 of the pictures, whatever order they came in."""
        return hashlib.sha256(self.marks.astype("<f4").tobytes()).hexdigest()


def extracted(extractor: Frozen, levels: Tensor) -> tuple[Tensor, Tensor]:
    """Ask a network for features.

    Args:
        extractor: (B, 3, H, W), uint8 in 0..255, to features (B, d), or to features and logits
            (B, K) of a classifier.
        levels: The pictures.

    Returns:
        Features and logits, float32; K is 0 where there are none.

    Raises:
        ValueError: If the network gives other shapes.
    """
    given = extractor(levels)
    features, logits = given if isinstance(given, tuple) else (given, given[:, :0])
    if features.ndim != 2 or len(features) != len(levels):
        raise ValueError(
            f"the extractor gave {tuple(features.shape)} for {len(levels)} pictures; "
            f"expected ({len(levels)}, d)"
        )
    return features.float(), logits.float()


def marks(levels: Tensor) -> Tensor:
    """Mark each picture of a batch (B, 3, H, W), uint8: (B, 4), float32, of its content."""
    rows = [_mark(one.tobytes()) for one in levels.contiguous().cpu().numpy()]
    return torch.tensor(rows, dtype=torch.float32, device=levels.device)


def feature_set(rows: Tensor, width: int) -> FeatureSet:
    """Take rows apart, and put them into the order of their marks.

    Args:
        rows: (n, 4 + d + K), float32.
        width: Length of a feature, d.
    """
    table = rows.cpu().numpy()
    table = table[np.lexsort(table[:, :MARK].T)]
    return FeatureSet(table[:, :MARK], table[:, MARK : MARK + width], table[:, MARK + width :])


def _mark(content: bytes) -> list[int]:
    digest = hashlib.sha256(content).digest()
    return [int.from_bytes(digest[3 * i : 3 * i + 3], "big") for i in range(MARK)]
