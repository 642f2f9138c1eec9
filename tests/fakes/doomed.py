"""A slide run that is killed at a chosen moment, and several at the same time.

As a program it forks a process for each run that it is told of: it has imported all and started no
threads, so this is quick and safe.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
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
ROOT = Path(__file__).parents[2]
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


class Forks:
    """The program, started."""

    def __init__(self) -> None:
        paths = [str(ROOT / "src"), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
        variables = {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        self.child = subprocess.Popen(
            [sys.executable, "-m", "fakes.doomed"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | variables,
        )

    def __call__(self, *runs: dict[str, Any]) -> list[int]:
        """Do runs at the same time.

        Args:
            runs: ``slide``, ``output``, and perhaps ``moment`` and ``number`` (see `MOMENTS`), and
                settings of the run.

        Returns:
            How each ended: 0 done, 1 partial, 2 skipped, 9 failed, less than 0 for a signal.
        """
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write(json.dumps(runs, default=str) + "\n")
        self.child.stdin.flush()
        codes: list[int] = json.loads(self.child.stdout.readline())
        return codes

    def close(self) -> None:
        self.child.communicate()


def main() -> None:
    for line in sys.stdin:
        children = []
        for one in json.loads(line):
            child = os.fork()
            if child == 0:
                code = 9
                with contextlib.suppress(Exception):
                    code = ("done", "partial", "skipped").index(_told(**one))
                os._exit(code)
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        sys.stdout.write(json.dumps(codes) + "\n")
        sys.stdout.flush()


def _told(slide: str, output: str, moment: str = "", number: int = 0, **given: Any) -> str:
    if moment:
        MOMENTS[moment](setattr, number)
    return str(run(Path(slide), Path(output), **given)["state"])


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

    def counted(self: parts.Parts, *, labels: bool) -> Iterator[part.Part]:
        mine = next(calls) == number
        for count, one in enumerate(original(self, labels=labels)):
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


if __name__ == "__main__":
    main()
