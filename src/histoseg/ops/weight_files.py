"""The one way to read files of weights: checked, and without running what is in them."""

from __future__ import annotations

import hashlib
import pickle
import re
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from histoseg.errors import CheckpointError

# Some files name the folder they were written to; it is read as a name that touches no disk.
_PATHS: list[Any] = [
    (kind, f"{module}.{system}Path")
    for module in ("pathlib", "pathlib._local")
    for kind, system in ((PurePosixPath, "Posix"), (PureWindowsPath, "Windows"))
]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a file of ``torch.save`` (whatever its suffix) or an ``.npz`` onto the CPU.

    Only tensors, numbers, text, paths and plain containers are accepted; pickled code is not run.

    Args:
        path: The file.

    Returns:
        What was saved; the arrays of an ``.npz`` as tensors.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is damaged, of another kind, or holds more than data.
    """
    content = read_saved(path)
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}; expected a dictionary of weights"
        )
    return content


def read_saved(path: Path) -> Any:
    """Read what `read_checkpoint` reads, be it a dictionary or not.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is damaged, of another kind, or holds more than data.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}; check the path")
    try:
        return _read_npz(path) if path.suffix == ".npz" else _read_torch(path)
    except (
        *(RuntimeError, ValueError, KeyError, EOFError, OSError, AttributeError, ImportError),
        *(TypeError, IndexError, pickle.UnpicklingError, zipfile.BadZipFile),
    ) as error:
        reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
        raise CheckpointError(
            f"{path} ({path.stat().st_size} bytes) cannot be read as weights: {reason}. "
            "Expected a file of torch.save or an .npz that holds nothing but data; if it is cut "
            "short, download it again"
        ) from error


def in_torchs_cache(url: str) -> tuple[Path, str | None]:
    """Where torch keeps what it fetched from an address, and the checksum that its name holds."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    found = re.search(r"-([0-9a-f]{8,})\.", path.name)
    return path, found and found[1]


def read_weights(path: Path, sha256: str | None, missing: str) -> dict[str, Tensor]:
    """Read a published file that holds nothing but tensors by name.

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
                f"{path} has the SHA-256 {found}, expected {sha256!r}: it is damaged or another; "
                "get it anew"
            )
    content = read_checkpoint(path)
    if not all(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(f"{path} holds other things than tensors by name")
    return content


def _read_npz(path: Path) -> dict[str, Any]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def _read_torch(path: Path) -> Any:
    with torch.serialization.safe_globals(_PATHS):
        return torch.load(path, map_location="cpu", weights_only=True)
