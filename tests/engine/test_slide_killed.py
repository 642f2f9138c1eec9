"""A slide run killed with SIGKILL at any stage: the same run then ends with the same bytes."""

import hashlib
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

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


@pytest.fixture(scope="module")
def forks() -> Iterator[doomed.Forks]:
    forks = doomed.Forks()
    yield forks
    forks.close()


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
    slide: Path,
    uncut: dict[str, str],
    forks: doomed.Forks,
    tmp_path: Path,
    moment: str,
    number: int,
) -> None:
    killed = {"slide": slide, "output": tmp_path, "moment": moment, "number": number}
    assert forks(killed) == [-signal.SIGKILL]
    row = doomed.run(slide, tmp_path)
    assert row["state"] == ("skipped" if moment == "removing" else "done")
    assert files(tmp_path) == uncut


def test_killed_again_and_again(
    slide: Path, uncut: dict[str, str], forks: doomed.Forks, tmp_path: Path
) -> None:
    for moment, number in (("decoding", 5), ("forward", 7), ("writing a part", 4)):
        killed = {"slide": slide, "output": tmp_path, "moment": moment, "number": number}
        assert forks(killed) == [-signal.SIGKILL]
    parts = len(list((tmp_path / ".parts" / "slide").glob("[0-9]*.npz")))
    assert parts > 6, "each attempt goes on from the one before"
    assert doomed.run(slide, tmp_path)["state"] == "done"
    assert files(tmp_path) == uncut


@pytest.mark.slow
def test_two_ranks_at_the_same_time_give_the_files_of_one(
    slide: Path, uncut: dict[str, str], forks: doomed.Forks, tmp_path: Path
) -> None:
    shared = {"slide": slide, "output": tmp_path, "ranks": 2}
    codes = forks(shared | {"rank": 0}, shared | {"rank": 1})
    assert sorted(codes) in ([0, 1], [0, 2]), "one of them writes"
    kept = files(tmp_path)
    kept.pop(".parts/slide/writer", None)  # the lock of the one that came too late
    assert kept == uncut
