"""``histoseg predict`` with models that give pictures, or classes of pixels, and no objects."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from fakes.discs import discs
from histoseg.slides import read_image

from .conftest import Call
from .test_predict_slides import ARGS, summary, write_slide

TRANSLATOR, SEMANTIC = "model._target_=mypkg.Redder", "model._target_=mypkg.Tissue"


@pytest.fixture
def both(tmp_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A picture, and a slide with four levels of it side by side, in the folder ``in``."""
    image, truth = discs(0, 70, 90)
    write_slide(tmp_path / "in" / "slide.tif", np.tile(image, (6, 6, 1)))
    Image.fromarray(image).save(tmp_path / "in" / "small.png")
    return image, truth > 0


def files(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.parent != folder and ".parts" not in p.parts
    }


def test_a_translator_writes_pictures(
    histoseg_: Call, run: Path, tmp_path: Path, both: tuple[np.ndarray, np.ndarray]
) -> None:
    image, dark = both
    args = ["predict", f"ckpt={run}", TRANSLATOR, "input=in", *ARGS[:3], "tissue=none"]
    said = histoseg_(*args, "output=out")
    assert said.code == 0, said.err
    assert "the model gives stains: nothing to write for geojson, json" in said.out + said.err
    out = tmp_path / "out"
    assert sorted(files(out)) == [
        f"stains/{name}" for name in
        ("slide_pale.ome.tif", "slide_same.ome.tif", "small_pale.png", "small_same.png")
    ]  # fmt: skip
    np.testing.assert_array_equal(read_image(out / "stains" / "small_same.png"), image)
    same = tifffile.imread(out / "stains" / "slide_same.ome.tif")
    np.testing.assert_array_equal(same, np.tile(image, (6, 6, 1)))
    pale = read_image(out / "stains" / "small_pale.png")[..., 0]
    np.testing.assert_array_equal(pale > 127, dark)
    assert [(row["state"], row["nuclei"]) for row in summary(out)] == [("done", "0")] * 2
    before = files(out)
    assert histoseg_(*args, "output=out").code == 0
    assert [row["state"] for row in summary(out)] == ["skipped", "skipped"]
    (out / "stains" / "small_pale.png").write_bytes(b"")
    assert histoseg_(*args, "output=out").code == 0
    assert sorted(row["state"] for row in summary(out)) == ["done", "skipped"]
    assert files(out) == before


def test_a_semantic_model_writes_class_maps(
    histoseg_: Call, run: Path, tmp_path: Path, both: tuple[np.ndarray, np.ndarray]
) -> None:
    _, dark = both
    said = histoseg_("predict", f"ckpt={run}", SEMANTIC, "input=in", "output=out", *ARGS)
    assert said.code == 0, said.err
    out = tmp_path / "out"
    assert sorted(files(out)) == ["semantic/slide.ome.tif", "semantic/small.ome.tif"]
    for name, expected in (("small", dark), ("slide", np.tile(dark, (6, 6)))):
        np.testing.assert_array_equal(
            tifffile.imread(out / "semantic" / f"{name}.ome.tif"), expected
        )


def test_a_model_for_which_there_is_no_writer_is_refused(
    histoseg_: Call, run: Path, tmp_path: Path, both: tuple[np.ndarray, np.ndarray]
) -> None:
    said = histoseg_(
        "predict", f"ckpt={run}", TRANSLATOR, "input=in", "output=out", *ARGS, "~writers.stains"
    )
    assert "the model gives stains, and no writer writes that" in said.complaint
    assert not (tmp_path / "out" / ".parts").exists(), "before anything is computed"


def test_pictures_come_back_at_the_size_of_the_image(
    histoseg_: Call, run: Path, tmp_path: Path
) -> None:
    image, _ = discs(0, 70, 90)
    (tmp_path / "in").mkdir()
    twice = image.repeat(2, axis=0).repeat(2, axis=1)
    Image.fromarray(twice).save(tmp_path / "in" / "a.png")
    for target, kind in ((TRANSLATOR, "stains/a_same.png"), (SEMANTIC, "semantic/a.ome.tif")):
        said = histoseg_(
            "predict", f"ckpt={run}", target, "input=in", "output=out", *ARGS[:3], "mpp=0.125"
        )
        assert said.code == 0, said.err
        assert tifffile_or_png(tmp_path / "out" / kind).shape[:2] == (140, 180)


def test_the_tiling_of_deepliif_is_for_pictures(
    histoseg_: Call, run: Path, tmp_path: Path, both: tuple[np.ndarray, np.ndarray]
) -> None:
    image, _ = both
    said = histoseg_(
        "predict", f"ckpt={run}", TRANSLATOR, "input=in", "output=out", *ARGS, "tiling=deepliif",
        "tile_size=32",
    )  # fmt: skip
    assert "slide.tif: tiling=deepliif is for pictures" in said.complaint
    assert sorted(files(tmp_path / "out")) == ["stains/small_pale.png", "stains/small_same.png"]
    same = read_image(tmp_path / "out" / "stains" / "small_same.png").astype(int)
    assert 0 < np.abs(same - image).mean() < 6, "resized and back"


def tifffile_or_png(path: Path) -> np.ndarray:
    return tifffile.imread(path) if path.suffix == ".tif" else read_image(path)


def test_a_killed_translation_goes_on_and_ends_with_the_same_bytes(
    histoseg_: Call, run: Path, tmp_path: Path, both: tuple[np.ndarray, np.ndarray]
) -> None:
    (tmp_path / "in" / "small.png").unlink()
    args = ["predict", f"ckpt={run}", TRANSLATOR, "input=in", *ARGS, "overlap=8"]
    command = [sys.executable, "-m", "histoseg", *args, "output=killed"]
    child = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)
    parts = tmp_path / "killed" / ".parts" / "slide"
    while len(list(parts.glob("*.npz"))) < 5 and child.poll() is None:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    _, words = child.communicate()
    assert 5 <= len(list(parts.glob("*.npz"))) < 11 * 14, words.decode()
    for output in ("killed", "whole"):
        said = histoseg_(*args, f"output={output}")
        assert said.code == 0, said.err
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    assert len(files(tmp_path / "whole")) == 2
