"""Files of weights that others publish: checked, and read without running what is in them."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from histoseg.errors import CheckpointError


def read_weights(path: Path, sha256: str | None, missing: str) -> dict[str, Tensor]:
    """Read a file of ``torch.save`` that holds nothing but tensors by name.

    Args:
        path: The file.
        sha256: Its checksum in hexadecimal digits, or the first of them; None leaves it unchecked.
        missing: What to say if it is not there: where it can be had.

    Returns:
        The tensors, on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the checksum is another, or the file holds more than tensors.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}. {missing}")
    if sha256 is not None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if not sha256 or not found.startswith(sha256.lower()):
            raise CheckpointError(
                f"{path} has the SHA-256 {found}, expected {sha256!r}; get it anew"
            )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (  # what a damaged file, or one of another kind, leads to
        *(RuntimeError, ValueError, KeyError, EOFError, OSError, AttributeError, ImportError),
        *(TypeError, IndexError, pickle.UnpicklingError, zipfile.BadZipFile),
    ) as error:
        raise CheckpointError(f"{path} cannot be read as weights: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise CheckpointError(f"{path} holds other things than tensors by name")
    return content
