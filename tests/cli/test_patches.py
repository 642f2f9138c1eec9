"""``histoseg patches``: what it writes is what the original writes."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from fakes import folder as fake
from histoseg.annotations import read_type_info
from histoseg.data import Patches
from histoseg.slides import read_image
from ops.plain_patches import plainly

from .conftest import Call, Said

SMALL = ("window=40", "step=16")
CLASSES = ("data.classes=[tumour,other]", "data.colours=[[1,2,3],[4,5,6]]")
SPLITS = "data.dataset.fractions={train: 0.5, val: 0.25, test: 0.25}"


@pytest.fixture
def cut(histoseg_: Call, tmp_path: Path) -> Call:
    """``histoseg patches`` on four pictures of 72 x 80 px: two train, one val, one test."""
    fake.write(tmp_path / "data" / "folder", "mat")
    return lambda *args: histoseg_("patches", "data=folder", SPLITS, *CLASSES, *SMALL, *args)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "patches.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def annotated(tmp_path: Path, stem: str) -> np.ndarray:
    """Image, instances and classes of a picture, as the original stacks them."""
    root = tmp_path / "data" / "folder"
    maps = loadmat(root / "instances" / f"{stem}.mat")
    layers = [maps[key].astype(np.int32) for key in ("inst_map", "type_map")]
    return np.dstack([read_image(root / "images" / f"{stem}.png"), *layers])


@pytest.mark.parametrize("border", ["mirror", "valid"])
@pytest.mark.parametrize(("split", "name", "images"), [("train", "train", 2), ("val", "valid", 1)])
def test_npy_files_are_those_of_the_plain_formulation(
    cut: Call, tmp_path: Path, border: str, split: str, name: str, images: int
) -> None:
    said = cut(f"split={split}", f"border={border}", "output=out")
    assert said.code == 0, said.err
    folder = tmp_path / "out" / "folder" / name / "40x40_16x16"
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
    assert read_type_info(folder / "type_info.json").classes == ("tumour", "other")


def test_the_published_window_of_a_real_size(histoseg_: Call, tmp_path: Path) -> None:
    fake.write(tmp_path / "data" / "folder", "mat", images=1, height=1000, width=1000)
    given = ["+data.splits.all.split=null", "split=all", *CLASSES]
    said = histoseg_("patches", "data=folder", *given, "format=zarr")
    assert said.code == 0, said.err
    data = Patches(tmp_path / "data" / "patches" / "folder" / "all" / "540x540_164x164")
    assert len(data) == 49
    assert data.ids[0] == "p0_0_000"
    expected = plainly(annotated(tmp_path, "p0_0"), 540, 164, "mirror")
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
    kinds = ["a", "b"]
    folders = [tmp_path / fmt / "folder" / "train" / "40x40_16x16" for fmt in ("npy", "zarr")]
    files, store = (Patches(folder, classes=kinds) for folder in folders)
    assert sorted(files.ids) == sorted(store.ids)
    for one in files:
        other = store.read(one["place"].slide)
        for key in ("image", "instances", "semantic"):
            np.testing.assert_array_equal(one[key], other[key])  # type: ignore[literal-required]
    names = read_type_info(folders[0] / "type_info.json").classes
    for fmt, folder in zip(("npy", "zarr"), folders, strict=True):
        said = histoseg_(
            "view", "data=patches", f"data.dataset.root={fmt}/folder", "data.tile=32", "n=2",
            "data.splits.train.folder=train/40x40_16x16", f"type_info={folder}/type_info.json",
            f"output={fmt}.png",
        )  # fmt: skip
        assert said.code == 0, said.err
        assert ", ".join(names) in said.out
        assert (tmp_path / f"{fmt}.png").is_file()


@pytest.mark.parametrize("fmt", ["npy", "zarr"])
def test_a_run_that_was_stopped_goes_on(cut: Call, tmp_path: Path, fmt: str) -> None:
    assert cut(f"format={fmt}", "output=whole").code == 0
    whole = tmp_path / "whole" / "folder" / "train" / "40x40_16x16"
    picture = sorted((tmp_path / "data" / "folder" / "images").iterdir())
    stems = [row["image"] for row in table(whole)]
    last = next(path for path in picture if path.stem == stems[-1])
    sound = last.read_bytes()
    last.write_bytes(sound[:100])
    said = cut(f"format={fmt}", "output=out")
    assert "1 images failed, the others are done:" in said.complaint
    assert last.name in said.complaint
    folder = tmp_path / "out" / "folder" / "train" / "40x40_16x16"
    assert not json.loads((folder / "patches.json").read_text())["complete"]
    lines = (folder / "patches.csv").read_text().splitlines(keepends=True)
    assert len(lines) - 1 == stems.index(stems[-1])
    # killed while it noted the second image: its rows are not all there, the last is not whole
    (folder / "patches.csv").write_text("".join(lines[:-3]) + lines[-3][:-2])
    last.write_bytes(sound)
    said = cut(f"format={fmt}", "output=out")
    assert said.code == 0, said.err
    assert table(folder) == table(whole)
    one, other = (Patches(f, classes=["a", "b"]) for f in (folder, whole))
    assert one.ids == other.ids
    for index in range(len(one)):
        np.testing.assert_array_equal(one[index]["image"], other[index]["image"])
        np.testing.assert_array_equal(one[index]["semantic"], other[index]["semantic"])
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}
    assert cut(f"format={fmt}", "output=out").code == 0
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}


def test_images_that_cannot_be_cut_are_named_and_the_others_done(cut: Call, tmp_path: Path) -> None:
    images = tmp_path / "data" / "folder" / "images"
    assert cut("output=whole").code == 0
    first, second = dict.fromkeys(
        row["image"] for row in table(tmp_path / "whole/folder/train/40x40_16x16")
    )
    whole = Image.open(images / f"{first}.png")
    whole.crop((0, 0, 80, 30)).save(images / f"{first}.png")
    said = cut("border=valid", "output=out")
    assert f"{first}: the image is 30 x 80 pixels and its" in said.complaint
    assert {row["image"] for row in table(tmp_path / "out/folder/train/40x40_16x16")} == {second}
    fake.write(tmp_path / "data" / "folder", "mat", height=30)
    said = cut("border=valid", "output=small")
    assert f"{first}: an image of 30 x 80 px" in said.complaint
    assert "use border=mirror" in said.complaint
    assert cut("output=mirrored").code == 0


def test_nuclei_without_classes_give_four_channels(cut: Call, tmp_path: Path) -> None:
    said = cut("data.classes=[]", "data.colours=[]", "output=out")
    assert said.code == 0, said.err
    folder = tmp_path / "out" / "folder" / "train" / "40x40_16x16"
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
    folder = tmp_path / "out" / "folder" / "train" / "40x40_16x16"
    rows = (folder / "patches.csv").read_text()
    (folder / "patches.csv").write_text(rows.replace("_000,", "_000,x", 1))
    assert "patches.csv is damaged" in cut("output=out").complaint
    (folder / "patches.csv").unlink()
    assert cut("output=out").code == 0
    assert (folder / "patches.csv").read_text() == rows, "cut anew"
    (folder / "patches.json").write_text("{")
    assert "patches.json is damaged" in cut("output=out").complaint
    (folder / "patches.json").unlink()
    assert "was not begun by histoseg patches" in cut("output=out").complaint
