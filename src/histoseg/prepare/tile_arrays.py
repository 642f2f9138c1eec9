from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from histoseg.errors import UnreadableFileError
from histoseg.prepare.item import Item, RawItem
from histoseg.prepare.layout import Store

_TYPES = {"images": np.uint8, "instances": np.uint16, "semantic": np.uint8}
_HEADER = 128  # bytes; what numpy writes for arrays of few axes, whatever their number of rows
_HIGHEST = 2**16 - 1  # id that the arrays hold


class TileArrays(Store):
    """Writes tiles of one size into arrays that are read by memory-mapping, one folder a part.

    Items are called ``<part>_<number>``, numbers from 0. The tables are those of `Store`. A file
    gets the header of an NPY file when its part is complete; before that it cannot be mistaken for
    one.
    """

    @override
    def done(self, raw: RawItem) -> bool:
        if not super().done(raw):
            return False
        part, number = _place(raw.id)
        row = self._journal[raw.id]["row"]
        pixels = (number + 1) * row["height"] * row["width"]
        sizes = {"images": 3 * pixels, "instances": 2 * pixels, "semantic": pixels}
        paths = {name: self._path(part, name) for name in sizes}
        return all(
            paths[name].is_file() and paths[name].stat().st_size >= _HEADER + size
            for name, size in sizes.items()
        )

    @override
    def finish(self, problems: Any = ()) -> dict[str, Any]:
        parts: dict[str, list[dict[str, Any] | None]] = {}
        for name, entry in self._seen.items():
            parts.setdefault(_place(name)[0], []).append(entry.get("row"))
        for part, rows in parts.items():
            stored = [row for row in rows if row is not None]
            if len(stored) == len(rows):
                self._complete(part, stored)
        return super().finish(problems)

    @override
    def _write_arrays(self, item: Item) -> list[str]:
        part, number = _place(item.id)
        if item.instances.max(initial=0) > _HIGHEST:
            raise UnreadableFileError(
                f"{item.id}: ids up to {item.instances.max()}, over {_HIGHEST}"
            )
        arrays = {"images": item.image, "instances": item.instances, "semantic": item.semantic}
        for name, array in arrays.items():
            if array is None:
                raise UnreadableFileError(f"{item.id}: no {name}")
            values = array.astype(_TYPES[name])
            path = self._path(part, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("r+b" if path.exists() else "w+b") as file:
                file.write(bytes(_HEADER))  # no longer complete
                file.seek(_HEADER + number * values.nbytes)
                file.write(values.tobytes())
        return []

    def _complete(self, part: str, rows: list[dict[str, Any]]) -> None:
        numbers = [_place(row["id"])[1] for row in rows]
        sizes = {(row["height"], row["width"]) for row in rows}
        if numbers != list(range(len(rows))) or len(sizes) != 1:
            raise UnreadableFileError(
                f"{part}: {len(rows)} tiles of sizes {sorted(sizes)}, numbered {numbers[0]}.."
                f"{numbers[-1]}; expected one size, numbered from 0 without a gap"
            )
        ((height, width),) = sizes
        tissues = np.array([row["tissue"] for row in rows])
        np.save(self._path(part, "types"), tissues)
        for name, dtype in _TYPES.items():
            shape = (len(rows), height, width, *((3,) if name == "images" else ()))
            with self._path(part, name).open("r+b") as file:
                file.truncate(_HEADER + int(np.prod(shape)) * np.dtype(dtype).itemsize)
                file.write(_npy_header(shape, dtype))

    def _path(self, part: str, name: str) -> Path:
        return self.root / part / f"{name}.npy"


def _place(name: str) -> tuple[str, int]:
    part, _, number = name.rpartition("_")
    return part, int(number)


def _npy_header(shape: tuple[int, ...], dtype: type) -> bytes:
    text = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(text, header)
    if len(text.getvalue()) != _HEADER:
        raise ValueError(f"numpy's header has {len(text.getvalue())} bytes; expected {_HEADER}")
    return text.getvalue()
