"""A slide run on a file system that is really full: it says so, and loses nothing.

A tmpfs of eight megabytes is mounted in a namespace of a child process, which needs no rights.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from conftest import ROOT
from fakes.discs import discs

SCRIPT = """
import os, shutil, sys
from pathlib import Path
from fakes import doomed

slide, small, copy = map(Path, sys.argv[1:])
output = small / "out"
ballast = small / "ballast"
first = doomed.run(slide, output, writers={"table": doomed.WRITERS["table"]}, stamp="first")
table = next((output / "table").iterdir())
before = table.read_bytes()
free = os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
for room in (6_000, 30_000):  # parts do not fit; parts fit, results do not
    ballast.write_bytes(bytes(free - room))
    try:
        doomed.run(slide, output)
    except OSError as error:
        assert "No space left" in str(error) and "Free disk space" in str(error), error
    else:
        raise SystemExit(f"{room} bytes were enough")
    assert table.read_bytes() == before, "what was there is as it was"
    assert not list(output.rglob(".*.new")), "nothing half-written is left"
    ballast.unlink()
parts = sorted(output.glob(".parts/slide/*.npz"))
times = {path: path.stat().st_mtime_ns for path in parts}
assert parts, "parts that were done are kept"
row = doomed.run(slide, output)
assert row["state"] == "done" and row["nuclei"] == 36 * 20, row
shutil.copytree(output, copy)
"""


def can_mount(folder: Path) -> bool:
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(folder)]
    return bool(shutil.which("unshare")) and not subprocess.run(command, check=False).returncode


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if not can_mount(small):
        pytest.skip("this system lets no user mount a small file system (unshare -rm)")
    image = np.tile(discs(0, 80, 100, count=20)[0], (6, 6, 1))
    options = {"resolution": (4e4, 4e4), "resolutionunit": "CENTIMETER", "photometric": "rgb"}
    tifffile.imwrite(tmp_path / "slide.tif", image, tile=(64, 64), **options)
    (tmp_path / "script.py").write_text(SCRIPT)
    mount = f'mount -t tmpfs -o size=8m none {small} && exec "$@"'
    paths = f"PYTHONPATH={ROOT / 'src'}:{ROOT / 'tests'}"
    inside = ["unshare", "-rm", "env", paths, "sh", "-c", mount, "sh", sys.executable]
    given = [tmp_path / "script.py", tmp_path / "slide.tif", small, tmp_path / "copy"]
    done = subprocess.run(
        [*inside, *given],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "copy" / "geojson" / "slide.geojson.gz").stat().st_size > 1000
