"""Reading files of weights that others wrote, without running any code of theirs."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import torch

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


def _read_npz(path: Path) -> dict[str, Any]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def _read_torch(path: Path) -> Any:
    with torch.serialization.safe_globals(_PATHS):
        return torch.load(path, map_location="cpu", weights_only=True)
