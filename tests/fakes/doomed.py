"""A slide run that is killed at a chosen moment, and what it leaves."""

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from fakes.models import Blots
from histoseg.engine.slides import part, parts, slide_run, stream
from histoseg.engine.slides.forward import Forward
from histoseg.engine.slides.settings import Settings
from histoseg.slides import SlideEntry
from histoseg.writers import (
    write_geojson,
    write_hovernet_json,
    write_label_tiff,
    write_ome_zarr,
    write_overlay,
    write_table,
)

WRITERS = {
    "json": write_hovernet_json,
    "geojson": partial(write_geojson, packed=True),
    "table": write_table,
    "overlay": write_overlay,
    "labels": write_label_tiff,
    "zarr": write_ome_zarr,
}
Change = Callable[[Any, str, Callable[..., Any]], None]


def settings(output: Path, **given: Any) -> Settings:
    own: dict[str, Any] = {
        "writers": WRITERS, "model_mpp": 0.25, "mpp": None, "region": 160, "halo": 100,
        "overlap": 0, "cache": 2**30, "workers": 0, "tissue": "none", "stains": True,
        "save_mask": True, "save_thumb": True, "stamp": "model",
    }  # fmt: skip
    return Settings(output, Forward(Blots().eval(), 8), **(own | given))


def run(slide: Path, output: Path, **given: Any) -> dict[str, Any]:
    return slide_run.SlideRun(SlideEntry(slide, "slide"), settings(output, **given)).run()


def killed(slide: Path, output: Path, moment: str, number: int) -> None:
    """Run, and be killed when something happens for that many times; see `MOMENTS`."""
    MOMENTS[moment](setattr, number)
    run(slide, output)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _at_call(owner: Any, name: str) -> Callable[[Change, int], None]:
    """In place of a call of a function."""

    def change(put: Change, number: int) -> None:
        original, calls = getattr(owner, name), iter(range(1, 10**6))

        def counted(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == number:
                _die()
            return original(*args, **kwargs)

        put(owner, name, counted)

    return change


def _while_streaming(put: Change, number: int) -> None:
    """After the third part that is read for the writers for the so-many-th time."""
    original, calls = parts.Parts._parts, iter(range(1, 10**6))

    def counted(self: parts.Parts) -> Iterator[part.Part]:
        mine = next(calls) == number
        for count, one in enumerate(original(self)):
            if mine and count == 3:
                _die()
            yield one

    put(parts.Parts, "_parts", counted)


def _while_removing(put: Change, number: int) -> None:
    """When so many parts are removed."""

    def some(self: parts.Parts) -> None:
        for path in sorted(self.folder.iterdir())[:number]:
            path.unlink()
        _die()

    put(parts.Parts, "remove", some)


MOMENTS: dict[str, Callable[[Change, int], None]] = {
    "reading": _at_call(stream, "read_tiles"),
    "forward": _at_call(stream, "to_arrays"),
    "stitching": _at_call(stream, "stitch"),
    "decoding": _at_call(stream, "decode"),
    "writing a part": _at_call(part.os, "fsync"),
    "streaming": _while_streaming,
    "remembering": _at_call(slide_run, "remember"),
    "removing": _while_removing,
}
