"""``histoseg patches``: what it writes is what the original writes."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from fakes import consep
from histoseg.annotations import read_type_info
from histoseg.data import Patches
from histoseg.slides import read_image
from ops.plain_patches import plainly

from .conftest import Call, Said

MERGED = np.array([0, 1, 2, 3, 3, 4, 4, 4], np.uint8)  # the seven classes of CoNSeP
SMALL = ("window=40", "step=16")


@pytest.fixture
def cut(histoseg_: Call, tmp_path: Path) -> Call:
    """``histoseg patches`` on a fake of CoNSeP of 4 + 2 images of 72 x 80 px."""
    consep.write(tmp_path / "data" / "CoNSeP")
    splits = "data.dataset.fractions={train: 0.75, val: 0.25}"
    return lambda *args: histoseg_("patches", "data=consep", splits, *SMALL, *args)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "patches.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def annotated(tmp_path: Path, stem: str) -> np.ndarray:
    """Image, instances and merged classes of a CoNSeP image, as the original stacks them."""
    part = tmp_path / "data" / "CoNSeP" / ("Train" if stem.startswith("train") else "Test")
    maps = loadmat(part / "Labels" / f"{stem}.mat")
    instances, kinds = (maps[key].astype(np.int32) for key in ("inst_map", "type_map"))
    return np.dstack([read_image(part / "Images" / f"{stem}.png"), instances, MERGED[kinds]])


@pytest.mark.parametrize("border", ["mirror", "valid"])
@pytest.mark.parametrize(("split", "name", "images"), [("train", "train", 3), ("val", "valid", 1)])
def test_npy_files_are_those_of_the_plain_formulation(
    cut: Call, tmp_path: Path, border: str, split: str, name: str, images: int
) -> None:
    said = cut(f"split={split}", f"border={border}", "output=out")
    assert said.code == 0, said.err
    folder = tmp_path / "out" / "consep" / name / "40x40_16x16"
    stems = {row["image"] for row in table(folder)}
    assert len(stems) == images
    expected = {
        f"{stem}_{index:03d}": patch
        for stem in stems
        for index, patch in enumerate(plainly(annotated(tmp_path, stem), 40, 16, border))
    }
    assert {path.stem for path in folder.glob("*.npy")} == set(expected)
    for stem, patch in expected.items():
        stored = np.load(folder / f"{stem}.npy")
        assert stored.dtype == np.int32
        np.testing.assert_array_equal(stored, patch)
    assert f"{len(expected)} patches of {images} images" in said.out
    assert json.loads((folder / "patches.json").read_text())["complete"]
    assert read_type_info(folder / "type_info.json").classes[3] == "spindle"


def test_the_published_window_of_a_real_size(histoseg_: Call, tmp_path: Path) -> None:
    consep.write(tmp_path / "data" / "CoNSeP", train=2, test=1, height=1000, width=1000)
    said = histoseg_("patches", "data=consep", "split=test", "format=zarr")
    assert said.code == 0, said.err
    data = Patches(tmp_path / "data" / "patches" / "consep" / "test" / "540x540_164x164")
    assert len(data) == 49
    assert data.ids[0] == "test_1_000"
    expected = plainly(annotated(tmp_path, "test_1"), 540, 164, "mirror")
    for index in (0, 5, 6, 36, 42, 48):
        np.testing.assert_array_equal(data[index]["image"], expected[index][..., :3])
        np.testing.assert_array_equal(data[index]["instances"], expected[index][..., 3])


def test_both_formats_hold_the_same_and_a_training_reads_either(
    cut: Call, histoseg_: Call, tmp_path: Path
) -> None:
    for fmt in ("npy", "zarr"):
        for split in ("train", "val"):
            said = cut(f"format={fmt}", f"split={split}", f"output={fmt}")
            assert said.code == 0, said.err
    kinds = [f"c{k}" for k in range(4)]
    folders = [tmp_path / fmt / "consep" / "train" / "40x40_16x16" for fmt in ("npy", "zarr")]
    files, store = (Patches(folder, classes=kinds) for folder in folders)
    assert sorted(files.ids) == sorted(store.ids)
    for one in files:
        other = store.read(one["place"].slide)
        for key in ("image", "instances", "semantic"):
            np.testing.assert_array_equal(one[key], other[key])  # type: ignore[literal-required]
    names = read_type_info(folders[0] / "type_info.json").classes
    for fmt, folder in zip(("npy", "zarr"), folders, strict=True):
        said = histoseg_(
            "view", "data=patches", f"data.dataset.root={fmt}/consep", "data.tile=32", "n=2",
            "data.splits.train.folder=train/40x40_16x16", f"type_info={folder}/type_info.json",
            f"output={fmt}.png",
        )  # fmt: skip
        assert said.code == 0, said.err
        assert ", ".join(names) in said.out
        assert (tmp_path / f"{fmt}.png").is_file()


@pytest.mark.parametrize("fmt", ["npy", "zarr"])
def test_a_run_that_was_stopped_goes_on(cut: Call, tmp_path: Path, fmt: str) -> None:
    assert cut(f"format={fmt}", "output=whole").code == 0
    whole = tmp_path / "whole" / "consep" / "train" / "40x40_16x16"
    picture = sorted((tmp_path / "data" / "CoNSeP" / "Train" / "Images").iterdir())
    stems = [row["image"] for row in table(whole)]
    last = next(path for path in picture if path.stem == stems[-1])
    sound = last.read_bytes()
    last.write_bytes(sound[:100])
    said = cut(f"format={fmt}", "output=out")
    assert "1 images failed, the others are done:" in said.complaint
    assert last.name in said.complaint
    folder = tmp_path / "out" / "consep" / "train" / "40x40_16x16"
    assert not json.loads((folder / "patches.json").read_text())["complete"]
    lines = (folder / "patches.csv").read_text().splitlines(keepends=True)
    assert len(lines) - 1 == stems.index(stems[-1])
    # killed while it noted the second image: its rows are not all there, the last is not whole
    (folder / "patches.csv").write_text("".join(lines[:-3]) + lines[-3][:-2])
    last.write_bytes(sound)
    said = cut(f"format={fmt}", "output=out")
    assert said.code == 0, said.err
    assert table(folder) == table(whole)
    one, other = (Patches(f, classes=["a", "b", "c", "d"]) for f in (folder, whole))
    assert one.ids == other.ids
    for index in range(len(one)):
        np.testing.assert_array_equal(one[index]["image"], other[index]["image"])
        np.testing.assert_array_equal(one[index]["semantic"], other[index]["semantic"])
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}
    assert cut(f"format={fmt}", "output=out").code == 0
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}


def test_images_that_cannot_be_cut_are_named_and_the_others_done(cut: Call, tmp_path: Path) -> None:
    images = tmp_path / "data" / "CoNSeP" / "Test" / "Images"
    Image.open(images / "test_1.png").crop((0, 0, 80, 30)).save(images / "test_1.png")
    said = cut("split=test", "border=valid", "output=out")
    assert "the image is 30 x 80 pixels and its instance map is 72 x 80" in said.complaint
    assert {row["image"] for row in table(tmp_path / "out/consep/test/40x40_16x16")} == {"test_2"}
    consep.write(tmp_path / "data" / "CoNSeP", train=0, test=2, height=30)
    said = cut("split=test", "border=valid", "output=small")
    assert "test_1: an image of 30 x 80 px" in said.complaint
    assert "use border=mirror" in said.complaint
    assert cut("split=test", "output=mirrored").code == 0


def test_nuclei_without_classes_give_four_channels(cut: Call, tmp_path: Path) -> None:
    said = cut("data.classes=[]", "data.colours=[]", "output=out")
    assert said.code == 0, said.err
    folder = tmp_path / "out" / "consep" / "train" / "40x40_16x16"
    assert np.load(next(folder.glob("*.npy"))).shape == (40, 40, 4)
    assert not (folder / "type_info.json").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["format=png"], "format=png: expected one of npy, zarr"),
        (["step=41"], "window=40 and step=41"),
        (["window=0"], "window=0"),
        (["border=zeros"], "border=zeros: expected mirror or valid"),
        (["split=tset"], "no split 'tset'"),
        (["output=taken"], "taken"),
    ],
)
def test_a_mistake_is_answered_in_one_paragraph(
    cut: Call, tmp_path: Path, args: list[str], words: str
) -> None:
    (tmp_path / "taken").write_text("a file")
    said: Said = cut("output=out", *args)
    assert words in said.complaint
    assert not (tmp_path / "out").exists()


def test_patches_of_other_settings_are_left_alone(cut: Call, tmp_path: Path) -> None:
    assert cut("output=out").code == 0
    said = cut("output=out", "border=valid")
    assert "other settings: border was mirror and is valid" in said.complaint
    folder = tmp_path / "out" / "consep" / "train" / "40x40_16x16"
    rows = (folder / "patches.csv").read_text()
    (folder / "patches.csv").write_text(rows.replace("train", "train,", 1))
    assert "patches.csv is damaged" in cut("output=out").complaint
    (folder / "patches.csv").unlink()
    assert cut("output=out").code == 0
    assert (folder / "patches.csv").read_text() == rows, "cut anew"
    (folder / "patches.json").write_text("{")
    assert "patches.json is damaged" in cut("output=out").complaint
    (folder / "patches.json").unlink()
    assert "was not begun by histoseg patches" in cut("output=out").complaint
