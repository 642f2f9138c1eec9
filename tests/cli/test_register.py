"""``histoseg register`` as typed."""

import csv
import json
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile

from histoseg.contracts import Array
from histoseg.registration import mean_distance, read_transform, similarity
from registration.painted import (
    SIDE,
    brightfield,
    fluorescence,
    landmarks_csv,
    moved,
    nuclei,
)

from .conftest import Call, Said

WHOLE = (SIDE, SIDE)
TRUTH = similarity(12, 1.08, (127.5, 127.5), (140.0, 118.0))
FAST = ("search.side=96", "refinement.samples=15000", "picture=256")


def save(path: Path, picture: Array) -> Path:
    assert cv2.imwrite(str(path), picture[..., ::-1] if picture.ndim == 3 else picture)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An IHC, and DAPI, a marker and labels that lie elsewhere."""
    amount = nuclei(0)
    save(tmp_path / "case1_IHC.png", brightfield(amount))
    save(tmp_path / "dapi.png", moved(fluorescence(amount), TRUTH))
    save(tmp_path / "lap2.png", moved(fluorescence(amount, 8), TRUTH))
    inverse = np.linalg.inv(TRUTH)
    ids = (amount > 0.4).astype(np.uint16) * 40_000
    labels = cv2.warpAffine(ids, inverse[:2], WHOLE, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    tifffile.imwrite(tmp_path / "ids.tif", labels)
    return tmp_path


def registered(call: Call, *more: str, moving: str = "dapi.png") -> Said:
    return call("register", "fixed=case1_IHC.png", f"moving={moving}", "output=out", *FAST, *more)


def tile_rows(out: Path) -> list[dict[str, str]]:
    with (out / "tiles.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read(path: Path) -> Array:
    picture = cv2.imread(str(path))
    assert picture is not None, path
    return np.asarray(picture[..., ::-1])


def test_a_registration_leaves_all_that_is_promised(folder: Path, histoseg_: Call) -> None:
    more = ("others={Lap2: lap2.png}", "labels={Ids: ids.tif}", "tile=96")
    said = registered(histoseg_, *more)
    assert said.code == 0, said.err
    assert "verdict" in said.out
    assert "turned by" in said.out
    out = folder / "out"
    facts = json.loads((out / "transform.json").read_text())
    assert facts["verdict"] == "good"
    assert facts["quality"]["ncc"] > 0.8
    found = read_transform(out / "transform.json")
    assert mean_distance(found.matrix, TRUTH, WHOLE) < 0.5
    for name in ("blend.png", "checkerboard.png"):
        assert read(out / name).shape == (*WHOLE, 3)
    inner = (slice(60, 190), slice(60, 190))
    for name, seed in (("DAPI", 1), ("Lap2", 8)):
        warped = read(out / "warped" / f"{name}.png")[inner].astype(int)
        truth = fluorescence(nuclei(0), seed)[inner].astype(int)
        assert np.abs(warped - truth).mean() < 6
    ids = tifffile.imread(out / "warped" / "Ids.ome.tif")
    assert set(np.unique(ids)) == {0, 40_000}
    same = (ids[inner] > 0) == (nuclei(0)[inner] > 0.4)
    assert same.mean() > 0.95
    rows = tile_rows(out)
    kept = [row["tile"] for row in rows if row["kept"] == "1"]
    assert len(rows) == 4
    assert kept
    assert all(row["reason"] for row in rows if row["kept"] == "0")
    files = {path.name for path in (out / "tiles").glob("*.png")}
    assert files == {f"{tile}_{stain}.png" for tile in kept for stain in ("IHC", "DAPI", "Lap2")}
    tile = kept[0]
    assert tile.startswith("case1_0")
    y, x = (int(n) for n in tile.split("_")[1:])
    whole = read(folder / "case1_IHC.png")
    assert np.array_equal(read(out / "tiles" / f"{tile}_IHC.png"), whole[y : y + 96, x : x + 96])


def test_the_same_command_gives_the_same_bytes(folder: Path, histoseg_: Call) -> None:
    files = ("transform.json", "warped/DAPI.png", "bspline.tfm", "blend.png")
    found = []
    for _ in range(2):
        assert registered(histoseg_, "bspline=2", "refinement.iterations=8").code == 0
        found.append(
            [p.read_bytes() if p.exists() else b"" for p in map((folder / "out").joinpath, files)]
        )
        (folder / "out").rename(folder / f"out{len(found)}")
    assert found[0] == found[1]


def test_other_tissue_is_said_and_nothing_is_warped(folder: Path, histoseg_: Call) -> None:
    save(folder / "other.png", fluorescence(nuclei(9)))
    complaint = registered(histoseg_, "tile=96", moving="other.png").complaint
    assert "could not be laid on" in complaint
    out = folder / "out"
    facts = json.loads((out / "failed.json").read_text())
    assert facts["verdict"] == "failed"
    assert facts["reasons"]
    assert (out / "failed_blend.png").is_file()
    for name in ("transform.json", "warped", "tiles", "blend.png"):
        assert not (out / name).exists()
    assert registered(histoseg_).code == 0  # the right picture, into the same folder
    assert not (out / "failed.json").exists()
    complaint = registered(histoseg_).complaint
    assert "holds a registration already" in complaint


def test_landmarks_start_measure_or_decide(folder: Path, histoseg_: Call) -> None:
    points = [(30.0, 40.0), (200.0, 50.0), (60.0, 210.0), (190.0, 180.0)]
    (folder / "marks.csv").write_text(landmarks_csv(TRUTH, points))
    for use in ("start", "only", "measure"):
        said = registered(histoseg_, "landmarks=marks.csv", f"use_landmarks={use}")
        assert said.code == 0, said.err
        facts = json.loads((folder / "out" / "transform.json").read_text())
        limit = 1e-6 if use == "only" else 1.0
        assert facts["quality"]["landmarks"]["mean_px"] < limit
        assert (facts["quality"]["contrast"] is None) == (use != "measure")
        (folder / "out").rename(folder / use)


def test_sixteen_bits_and_gray_are_taken(folder: Path, histoseg_: Call) -> None:
    deep = read(folder / "dapi.png")[..., 0].astype(np.uint16) * 16
    (folder / "deep.png").write_bytes(imagecodecs.png_encode(deep))
    gray = read(folder / "case1_IHC.png").mean(axis=-1).astype(np.uint8)
    save(folder / "case1_IHC.png", gray)
    said = registered(histoseg_, moving="deep.png")
    assert said.code == 0, said.err
    assert "density of fixed" in said.out
    found = read_transform(folder / "out" / "transform.json")
    assert mean_distance(found.matrix, TRUTH, WHOLE) < 0.7


def test_resolutions_make_a_finer_picture_fit(folder: Path, histoseg_: Call) -> None:
    large = cv2.resize(read(folder / "dapi.png"), None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    tifffile.imwrite(folder / "large.tif", large, photometric="rgb")
    said = registered(histoseg_, "fixed_mpp=0.6", "moving_mpp=0.2", moving="large.tif")
    assert said.code == 0, said.err
    assert "0.6 µm/px" in said.out
    found = read_transform(folder / "out" / "transform.json")
    thrice = np.array([[3, 0, 1], [0, 3, 1], [0, 0, 1.0]])
    assert mean_distance(found.matrix, thrice @ TRUTH, WHOLE) < 1.5
    warped = read(folder / "out" / "warped" / "DAPI.png")[60:190, 60:190].astype(int)
    assert np.abs(warped - fluorescence(nuclei(0))[60:190, 60:190].astype(int)).mean() < 6


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ("others=[small.png]", "do not share the frame of moving"),
        ("beside={H: small.png}", "do not share the frame of fixed"),
        ("labels={L: small.png}", "do not share the frame of moving"),
        ("others=[none.png]", "none.png"),
        ("others={IHC: dapi.png}", "called IHC"),
        ("others=[dapi.png,sub/dapi.png]", "name them"),
        ("fixed_channel=cyan", "expected one of auto"),
        ("use_landmarks=never", "expected one of start"),
        ("use_landmarks=only", "needs landmarks="),
        ("landmarks=marks.csv", "expected 3 or more"),
        ("mpp=0.5", "fixed_mpp="),
        ("tile=4", "tile=4"),
        ("side=2", "side=2"),
        ("moving=tiny.png", "expected 64 or more"),
        ("moving=two.tif", "save the wanted plane"),
    ],
)
def test_bad_input_ends_in_words_and_leaves_no_transform(
    given: str, word: str, folder: Path, histoseg_: Call
) -> None:
    save(folder / "small.png", np.zeros((100, 90, 3), np.uint8))
    save(folder / "tiny.png", np.zeros((20, 20, 3), np.uint8))
    tifffile.imwrite(folder / "two.tif", np.zeros((90, 90, 2), np.uint8), photometric="minisblack")
    (folder / "marks.csv").write_text("fixed_x,fixed_y,moving_x,moving_y\n1,2,3,4\n")
    assert word in registered(histoseg_, given).complaint
    assert not (folder / "out" / "transform.json").exists()
    assert not (folder / "out" / "warped").exists()
