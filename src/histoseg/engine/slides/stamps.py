"""Hashes that say whether a result is still the one that a command asks for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

BLOCK = 2**20
PROBES = 16


def hash_of(content: Any) -> str:
    """Hash of plain containers."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def hash_of_weights(module: torch.nn.Module) -> str:
    """Hash of all tensors of a module, and of their names."""
    whole = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        values = np.ascontiguousarray(tensor.detach().cpu().numpy())
        whole.update(f"{name} {values.dtype} {values.shape}".encode())
        whole.update(values.tobytes())
    return whole.hexdigest()


def hash_of_file(path: Path) -> str:
    """Hash of all bytes of a file, or of all files below a folder and their names."""
    whole = hashlib.sha256()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        whole.update(file.relative_to(path).as_posix().encode())
        with file.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()


def stamp_of_slide(path: Path) -> str:
    """Says when a slide is another one, without reading gigabytes.

    Looks at the sizes of its files, and of the named one at both ends and `PROBES` places between.

    Raises:
        OSError: If it cannot be read.
    """
    size = path.stat().st_size
    whole = hashlib.sha256()
    with path.open("rb") as file:
        for place in _places(size):
            file.seek(place)
            whole.update(file.read(BLOCK))
    sizes = [(p.name, p.stat().st_size) for p in _companions(path)]
    return hash_of([path.name, size, whole.hexdigest(), sizes])


def _places(size: int) -> list[int]:
    if size <= BLOCK * (PROBES + 2):
        return list(range(0, size, BLOCK))
    return [round(i * (size - BLOCK) / (PROBES + 1)) for i in range(PROBES + 2)]


def _companions(path: Path) -> Iterator[Path]:
    """Other files of the same slide: of MIRAX its folder, of DICOM the series, of VMS its parts."""
    folder = path.with_suffix("") if path.suffix.lower() == ".mrxs" else path.parent
    if path.suffix.lower() in (".mrxs", ".dcm", ".vms", ".vmu") and folder.is_dir():
        yield from sorted(p for p in folder.iterdir() if p.is_file())
