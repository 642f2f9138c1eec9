from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs import zstd
from zarr.codecs import ZstdCodec

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError

FIELDS: Mapping[str, type[np.integer[Any]]] = {
    "image": np.uint8,
    "instances": np.int32,
    "semantic": np.uint8,
}


class PatchStore:
    """The patches of one ``patches.zarr``, read chunk by chunk.

    A patch is one chunk file of each array and is decompressed directly: a third of the time that
    zarr's event loop takes, nothing to go wrong in forked loader workers, and a lost chunk is an
    error and not background.

    Args:
        path: The store; ``patches.csv`` beside it names its patches.

    Attributes:
        names: Of the patches, in order.
        shapes: Field -> shape of a patch.

    Raises:
        UnreadableFileError: If the store is damaged or was not written by `histoseg patches`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            group = zarr.open_group(path, mode="r")
            arrays = {name: group[name] for name in FIELDS if name in group}
            layouts = {name: _layout(array, name) for name, array in arrays.items()}
            self.shapes = {name: shape for name, (_, *shape) in layouts.items()}
            with (path.parent / "patches.csv").open(newline="", encoding="utf-8") as file:
                self.names = [row["patch"] for row in csv.DictReader(file)]
            counts = {count for count, *_ in layouts.values()}
        except Exception as error:  # zarr lets JSON, key, type and codec errors through
            raise UnreadableFileError(
                f"{path} cannot be read as patches: {error!r}. Write it anew with histoseg patches"
            ) from error
        if not {"image", "instances"} <= arrays.keys() or min(counts) < len(self.names):
            raise UnreadableFileError(
                f"{path} holds {sorted(arrays)} of {sorted(counts)} patches, and patches.csv names "
                f"{len(self.names)}. Go on with the command that wrote it, or write it anew"
            )

    def read(self, index: int) -> dict[str, Array]:
        """Read a patch: its fields by name.

        Raises:
            UnreadableFileError: If a chunk is lost or damaged.
        """
        return {name: self._chunk(name, index, shape) for name, shape in self.shapes.items()}

    def _chunk(self, name: str, index: int, shape: Sequence[int]) -> Array:
        path = self.path / name / "c" / str(index) / "/".join("0" * len(shape))
        try:
            values = np.frombuffer(zstd.decompress(path.read_bytes()), FIELDS[name])
            return values.reshape(shape).copy()  # what is cut or changed later has to be writable
        except (OSError, RuntimeError, ValueError) as error:
            raise UnreadableFileError(
                f"{path}: patch {self.names[index]} cannot be read: {error}"
            ) from error


def _layout(array: object, name: str) -> tuple[int, ...]:
    """The shape of an array, if it is laid out patch by patch."""
    if not isinstance(array, zarr.Array):
        raise TypeError(f"{name} is a group")
    codecs = [type(codec) for codec in (*array.filters, *array.compressors)]
    if (
        array.dtype != FIELDS[name]
        or array.chunks != (1, *array.shape[1:])
        or codecs != [ZstdCodec]
    ):
        raise ValueError(f"{name} is {array.dtype} in chunks {array.chunks}, {codecs}")
    return array.shape
