"""``histoseg predict`` on slides: what it leaves, also when it is killed on the way."""

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from fakes.discs import discs
from histoseg.data.synthetic import synthetic_tissue
from histoseg.writers.check_geojson import check_geojson

from .conftest import Call

ARGS = ("accelerator=cpu", "trust=[mypkg]", "workers=0", "region=48", "tissue=none")
PER_CM = 1e4 / 0.25


def write_slide(path: Path, image: np.ndarray, mpp: float | None = 0.25) -> None:
    path.parent.mkdir(exist_ok=True)
    with tifffile.TiffWriter(path) as tif:
        for level, pixels in enumerate((image, image[::2, ::2])):
            per_cm = 1e4 / mpp / 2**level if mpp else 1
            options = {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER" if mpp else 1}
            tif.write(pixels, tile=(64, 64), photometric="rgb", **options)


def summary(folder: Path) -> list[dict[str, str]]:
    with (folder / "summary.csv").open(newline="") as f:
        return list(csv.DictReader(f))


def digests(folder: Path) -> dict[str, str]:
    """Of all results: what changes from run to run are seconds."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for kind in ("geojson", "json", "table", "overlay")
        for path in sorted((folder / kind).iterdir())
        if not path.name.startswith(".")
    }


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    histoseg_: Call, run: Path, tmp_path: Path
) -> None:
    image, truth = discs(0, 70, 90)
    write_slide(tmp_path / "in" / "slide.tif", np.tile(image, (6, 6, 1)))
    args = ["predict", f"ckpt={run}", "input=in", *ARGS]
    command = [sys.executable, "-m", "histoseg", *args, "output=killed"]
    child = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)
    parts = tmp_path / "killed" / ".parts" / "slide"
    while len(list(parts.glob("*.npz"))) < 5 and child.poll() is None:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    _, words = child.communicate()
    kept = {path: path.stat().st_mtime_ns for path in parts.glob("*.npz")}
    assert 5 <= len(kept) < 9 * 12, words.decode()
    for output in ("killed", "whole"):
        said = histoseg_(*args, f"output={output}")
        assert said.code == 0, said.err
        (row,) = summary(tmp_path / output)
        assert (row["state"], int(row["nuclei"])) == ("done", 36 * truth.max())
    assert digests(tmp_path / "killed") == digests(tmp_path / "whole")
    assert len(digests(tmp_path / "whole")) == 4
    again = histoseg_(*args, "output=killed")
    assert again.code == 0
    assert summary(tmp_path / "killed")[0]["state"] == "skipped"


def test_a_broken_slide_does_not_stop_the_others(
    histoseg_: Call, run: Path, tmp_path: Path
) -> None:
    image, truth = discs(1, 130, 150, count=20)
    write_slide(tmp_path / "in" / "a.tif", image)
    write_slide(tmp_path / "in" / "b.tif", image, mpp=None)
    write_slide(tmp_path / "in" / "c.tif", image)
    os.truncate(tmp_path / "in" / "c.tif", 9000)
    twice = image.repeat(2, axis=0).repeat(2, axis=1)
    write_slide(tmp_path / "in" / "d.tif", twice, mpp=0.125)
    said = histoseg_("predict", f"ckpt={run}", "input=in", "output=out", *ARGS, "save_mask=true")
    assert "2 of 4 images failed, the others are done" in said.complaint
    assert "b.tif does not say how large its pixels are: give mpp=" in said.complaint
    rows = summary(tmp_path / "out")
    assert [row["state"] for row in rows] == ["done", "failed", "failed", "done"]
    assert "c.tif" in rows[2]["error"]
    assert rows[0]["nuclei"] == rows[3]["nuclei"] == str(truth.max())
    assert float(rows[0]["mm2"]) == pytest.approx(130 * 150 * 0.0625e-6, abs=1e-4)
    features = {
        name: json.loads((tmp_path / "out" / "geojson" / f"{name}.geojson").read_text())["features"]
        for name in "ad"
    }
    for name in "ad":
        assert check_geojson(tmp_path / "out" / "geojson" / f"{name}.geojson") == []
    a, d = (
        {tuple(np.mean(f["geometry"]["coordinates"][0], axis=0).round(1)) for f in features[name]}
        for name in "ad"
    )
    assert {(round(2 * x, 1), round(2 * y, 1)) for x, y in a} == d, "in pixels of the slide itself"
    fixed = histoseg_("predict", f"ckpt={run}", "input=in/b.tif", "output=out", *ARGS, "mpp=0.25")
    assert fixed.code == 0, fixed.err


def test_a_writer_that_fails_does_not_stop_the_others(
    histoseg_: Call, run: Path, tmp_path: Path
) -> None:
    for name in "ab":
        write_slide(tmp_path / "in" / f"{name}.tif", discs(1, 130, 150, count=20)[0])
    args = (f"ckpt={run}", "input=in", "output=out", *ARGS)
    said = histoseg_("predict", *args, "+writers=dicom")
    assert "2 of 2 images failed" in said.complaint
    assert "a.tif is no DICOM slide" in said.complaint
    assert [row["state"] for row in summary(tmp_path / "out")] == ["failed", "failed"]
    assert {p.stem for p in (tmp_path / "out" / "geojson").iterdir()} == {"a", "b"}
    assert histoseg_("predict", *args).code == 0


def test_a_picture_in_regions_gives_what_it_gives_as_a_whole(
    histoseg_: Call, hovernet_run: Path, tmp_path: Path
) -> None:
    record = synthetic_tissue(200, 230, seed=2)
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "tissue.tif", record["image"], photometric="rgb")
    found = []
    for region in (4096, 100):
        said = histoseg_(
            "predict", f"ckpt={hovernet_run}", "input=in", f"output=r{region}", *ARGS[:3],
            f"region={region}", "tissue=none", "halo=100",
        )  # fmt: skip
        assert said.code == 0, said.err
        text = (tmp_path / f"r{region}" / "json" / "tissue.json").read_text()
        found.append(sorted(str(n["contour"]) for n in json.loads(text)["nuc"].values()))
    assert len(found[0]) > 3
    assert found[0] == found[1]


def test_the_magnification_of_the_model_can_be_given(
    histoseg_: Call, run: Path, tmp_path: Path
) -> None:
    """At half the magnification the same discs are found, at half their coordinates."""
    image, truth = discs(3, 130, 150, count=12, radius=9)
    write_slide(tmp_path / "in" / "slide.tif", image)
    centres = {}
    for power in (40, 20):
        out = f"output=x{power}"
        said = histoseg_("predict", f"ckpt={run}", "input=in", out, *ARGS, f"proc_mag={power}")
        assert said.code == 0, said.err
        text = (tmp_path / f"x{power}" / "json" / "slide.json").read_text()
        centres[power] = np.array([n["centroid"] for n in json.loads(text)["nuc"].values()])
    assert len(centres[40]) == len(centres[20]) == truth.max()
    near = np.abs(2 * centres[20][:, None] + 0.5 - centres[40]).max(axis=2).min(axis=0)
    assert near.max() < 1.5
