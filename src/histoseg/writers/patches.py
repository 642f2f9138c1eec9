"""Patches of training images on disk: the original's files, or one compact chunked store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from histoseg.contracts import Array
from histoseg.writers.files import result_path, whole_file

STORE = "patches.zarr"
LEVEL = 5  # of zstd: more is slower to write and saves a percent


class Patch(NamedTuple):
    """One window of an annotated image.

    Attributes:
        image: (S, S, 3), uint8.
        instances: (S, S), int32.
        semantic: (S, S), uint8; None without classes.
    """

    image: Array
    instances: Array
    semantic: Array | None


class PatchWriter(Protocol):
    """Where patches go."""

    def write(self, names: Sequence[str], patches: Sequence[Patch], start: int) -> None:
        """Write some patches.

        Args:
            names: Of each patch.
            patches: As many.
            start: How many patches there are before these.
        """


class NpyPatches:
    """One ``.npy`` file a patch, int32 (S, S, 4 or 5): red, green, blue, instance[, class].

    Args:
        folder: Where they go.
        side: Of a patch, px.
        typed: Whether there are classes.

    Source:
        ``extract_patches.py`` of vqdang/hover_net.
    """

    def __init__(self, folder: Path, side: int, *, typed: bool) -> None:
        self.folder, self.side, self.channels = folder, side, 4 + typed

    def write(self, names: Sequence[str], patches: Sequence[Patch], start: int) -> None:
        """Write some patches; see `PatchWriter`."""
        for name, patch in zip(names, patches, strict=True):
            stacked = np.empty((self.side, self.side, self.channels), dtype=np.int32)
            stacked[..., :3], stacked[..., 3] = patch.image, patch.instances
            if patch.semantic is not None:
                stacked[..., 4] = patch.semantic
            with whole_file(result_path(self.folder.parent, name, self.folder.name, ".npy")) as f:
                np.save(f, stacked)


class ZarrPatches:
    """One zarr group: ``image`` uint8, ``instances`` int32 and ``semantic`` uint8, patch by patch.

    Each patch is one chunk of each array, compressed with zstd and with its checksum; chunks of
    zeros are written too, so that a lost file is not taken for background. Patches from ``start``
    on are replaced.

    Args:
        folder: Where the store ``patches.zarr`` goes.
        side: Of a patch, px.
        typed: Whether there are classes.
    """

    def __init__(self, folder: Path, side: int, *, typed: bool) -> None:
        kinds: dict[str, tuple[str, tuple[int, ...]]] = {
            "image": ("uint8", (side, side, 3)),
            "instances": ("int32", (side, side)),
            **({"semantic": ("uint8", (side, side))} if typed else {}),
        }
        with zarr.config.set({"array.write_empty_chunks": True}):
            group = zarr.open_group(folder / STORE, mode="a", zarr_format=3)
            self.arrays: dict[str, Any] = {
                name: group[name] if name in group else _array(group, name, *kind)
                for name, kind in kinds.items()
            }

    def write(self, names: Sequence[str], patches: Sequence[Patch], start: int) -> None:
        """Write some patches; see `PatchWriter`."""
        stop = start + len(patches)
        for field, array in self.arrays.items():
            array.resize((stop, *array.shape[1:]))
            array[start:stop] = np.stack([getattr(patch, field) for patch in patches])


def _array(group: zarr.Group, name: str, dtype: str, shape: tuple[int, ...]) -> Any:
    """An array without patches yet."""
    codec = ZstdCodec(level=LEVEL, checksum=True)
    return group.create_array(
        name, shape=(0, *shape), dtype=dtype, chunks=(1, *shape), compressors=codec
    )
