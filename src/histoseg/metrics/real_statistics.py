"""What is known of a set of real pictures, kept in a file so that it is computed once."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.metrics.functional.frechet import gaussian

_KEYS = ("mu", "sigma", "features", "extractor", "data")


@dataclass(frozen=True)
class RealStatistics:
    """Features of a set, for FID and KID.

    Attributes:
        mean: (d,), float64.
        covariance: (d, d), float64.
        features: (n, d), float32, in an order that depends on the pictures alone.
        extractor: SHA-256 of the network that gave them.
        data: SHA-256 of the pictures, in whatever order.
    """

    mean: Array
    covariance: Array
    features: Array
    extractor: str
    data: str

    @classmethod
    def of(cls, features: Array, extractor: str, data: str) -> RealStatistics:
        """Compute mean and covariance of features (n, d)."""
        return cls(*gaussian(features), features.astype(np.float32), extractor, data)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.features)

    def write(self, path: Path) -> Path:
        """Write an ``.npz``; ``mu`` and ``sigma`` are named as pytorch-fid does.

        Args:
            path: The file; its folder is made.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.part")
        with unfinished.open("wb") as file:
            np.savez(
                file,
                mu=self.mean,
                sigma=self.covariance,
                features=self.features,
                extractor=np.array(self.extractor),
                data=np.array(self.data),
            )
        return unfinished.replace(path)

    @classmethod
    def read(cls, path: Path, extractor: str) -> RealStatistics:
        """Read what `write` wrote.

        Args:
            path: The file.
            extractor: SHA-256 of the network in use.

        Raises:
            FileNotFoundError: If there is no such file.
            UnreadableFileError: If it is no such file, or damaged.
            ValueError: If another network gave the features.
        """
        if not path.is_file():
            raise FileNotFoundError(f"there are no statistics {path}; write_real() makes them")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                mean, covariance, features, by, data = (arrays[key] for key in _KEYS)
        except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise UnreadableFileError(
                f"{path} is no file of real statistics ({error}); delete it, it is made anew"
            ) from error
        if str(by) != extractor:
            raise ValueError(
                f"{path} was made with the extractor {str(by)[:12]}..., not {extractor[:12]}...; "
                "delete it, or use that network"
            )
        return cls(mean, covariance, features, str(by), str(data))
