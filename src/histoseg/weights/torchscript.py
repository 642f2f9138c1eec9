"""Tensors of a TorchScript file, read without loading the program in it."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from histoseg.errors import CheckpointError

_STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
}


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """Read the parameters and buffers of a TorchScript file by name.

    Nothing of the file is run. Loading it with ``torch.jit.load`` would be less safe: a TorchScript
    program can read and write files. Here its pickle may name modules, whose contents are taken as
    plain data, and tensors; anything else is refused.

    Args:
        path: The file of ``torch.jit.save``.

    Returns:
        What ``torch.jit.load(path).state_dict()`` gives, on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is damaged, of another kind, or holds more than that.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no TorchScript file {path}; check the path")
    try:
        with zipfile.ZipFile(path) as archive:
            found = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            root = found[0].removesuffix("data.pkl")
            with archive.open(found[0]) as file:
                return _tensors(_Reader(file, archive, root).load(), "")
    except (
        *(RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError),
        *(OSError, pickle.UnpicklingError, zipfile.BadZipFile, NotImplementedError),
    ) as error:
        raise CheckpointError(
            f"{path} ({path.stat().st_size} bytes) cannot be read as a TorchScript file: "
            f"{str(error)[:200] or type(error).__name__}; if it is cut short, copy it again"
        ) from error


class _Module:
    """What stands for any module of the file: its attributes, nothing to run."""


class _Reader(pickle.Unpickler):
    """Unpickle modules and tensors, and nothing that could run."""

    def __init__(self, file: Any, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(file)
        self._archive, self._root = archive, root
        self._stored: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "__torch__":
            return _Module
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuilt
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise pickle.UnpicklingError(f"it names {module}.{name}, which weights do not need")

    def persistent_load(self, pid: Any) -> Tensor:
        _, dtype, key, *_ = pid
        if key not in self._stored:
            content = bytearray(self._archive.read(f"{self._root}data/{key}"))
            self._stored[key] = torch.frombuffer(content, dtype=dtype)
        return self._stored[key]


def _rebuilt(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    tensor = torch.as_strided(storage, size, stride, offset)
    if tensor.numel() > storage.numel():
        raise pickle.UnpicklingError(f"a tensor of shape {tuple(size)} repeats its few numbers")
    return tensor.clone()


def _tensors(module: Any, prefix: str) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, value in vars(module).items() if isinstance(module, _Module) else ():
        if isinstance(value, Tensor):
            found[f"{prefix}{name}"] = value
        else:
            found |= _tensors(value, f"{prefix}{name}.")
    return found
