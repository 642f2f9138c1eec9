"""A slide run killed with SIGKILL at any stage: the same run then ends with the same bytes."""

import contextlib
import hashlib
import os
import signal
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import torch

from fakes import doomed
from fakes.discs import discs


def files(folder: Path) -> dict[str, str]:
    """Hashes of all that lies there, hidden files too."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "slide.json"  # the record has seconds in it
    }


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slide") / "slide.tif"
    image = np.tile(discs(0, 80, 100, count=20)[0], (6, 6, 1))
    per_cm = 1e4 / 0.25
    options = {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, image, photometric="rgb", tile=(64, 64), **options)
    return path


@pytest.fixture(scope="module")
def uncut(slide: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("uncut")
    assert doomed.run(slide, folder)["nuclei"] == 36 * 20
    return files(folder)


def kill(slide: Path, output: Path, moment: str, number: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which the child avoids
        child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            torch.set_num_threads(1)
            cv2.setNumThreads(1)
            doomed.killed(slide, output, moment, number)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("reading", 1),
        ("reading", 4),
        ("forward", 5),
        ("stitching", 6),
        ("decoding", 7),
        ("writing a part", 3),
        *[("streaming", number) for number in range(1, 7)],
        ("remembering", 1),
        ("removing", 4),
    ],
)
def test_the_same_run_ends_with_the_same_bytes(
    slide: Path, uncut: dict[str, str], tmp_path: Path, moment: str, number: int
) -> None:
    kill(slide, tmp_path, moment, number)
    row = doomed.run(slide, tmp_path)
    assert row["state"] == ("skipped" if moment == "removing" else "done")
    assert files(tmp_path) == uncut


def test_killed_again_and_again(slide: Path, uncut: dict[str, str], tmp_path: Path) -> None:
    for moment, number in (("decoding", 5), ("forward", 7), ("writing a part", 4)):
        kill(slide, tmp_path, moment, number)
    parts = len(list((tmp_path / ".parts" / "slide").glob("[0-9]*.npz")))
    assert parts > 6, "each attempt goes on from the one before"
    assert doomed.run(slide, tmp_path)["state"] == "done"
    assert files(tmp_path) == uncut
