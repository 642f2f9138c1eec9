from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.io import savemat

from histoseg.annotations.label_images import read_labels
from histoseg.errors import UnreadableFileError


@pytest.mark.parametrize("suffix", ["npy", "png", "tif", "mat"])
def test_labels_above_255_come_back(tmp_path: Path, suffix: str) -> None:
    labels = np.arange(35, dtype=np.uint16).reshape(5, 7) * 1800
    path = tmp_path / f"x.{suffix}"
    if suffix == "npy":
        np.save(path, labels.astype(float))
    elif suffix == "png":
        Image.fromarray(labels).save(path)
    elif suffix == "tif":
        tifffile.imwrite(path, labels.astype(np.int32))
    else:
        savemat(path, {"inst_map": labels.astype(float)})
    out = read_labels(path)
    assert out.dtype == np.int32
    np.testing.assert_array_equal(out, labels)


def test_a_palette_png_gives_its_indices(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8), mode=None)
    picture = picture.convert("P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.putdata([0, 1, 2])
    picture.save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "x.png"), [[0, 1, 2]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((4, 4, 3), np.uint8), "not an instance map"),
        (np.full((4, 4), -1), "holds -1"),
        (np.full((4, 4), 2**40), "expected ids of"),
        (np.full((4, 4), 0.5), "fractions"),
        (np.full((4, 4), np.nan), "NaN"),
        (np.full((4, 4), "a"), "whole numbers"),
    ],
)
def test_refuses_what_is_not_a_label_image(
    tmp_path: Path, values: np.ndarray, message: str
) -> None:
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(UnreadableFileError, match=message):
        read_labels(tmp_path / "x.npy")


@pytest.mark.parametrize("suffix", ["npy", "png", "tif", "mat"])
def test_damaged_labels_are_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(b"\x93NUMPY\x01\x00v\x00 what is this")
    with pytest.raises(UnreadableFileError, match=rf"x\.{suffix}"):
        read_labels(path)
    path.unlink()
    with pytest.raises(UnreadableFileError, match=rf"x\.{suffix}"):
        read_labels(path)


def test_mat_without_inst_map_says_what_it_has(tmp_path: Path) -> None:
    savemat(tmp_path / "x.mat", {"labels": np.eye(3)})
    with pytest.raises(UnreadableFileError, match="holds labels; expected at least 'inst_map'"):
        read_labels(tmp_path / "x.mat")


@pytest.mark.parametrize("name", ["empty.npy", "empty.png", "empty.tif", "several.npy", "cut.tif"])
def test_every_damaged_label_image_is_refused_alike(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.touch()
    if name == "several.npy":
        with path.open("wb") as file:
            np.savez(file, a=np.zeros(2), b=np.zeros(2))
    if name == "cut.tif":
        labels = np.random.default_rng(0).integers(0, 9, (90, 90)).astype(np.uint16)
        tifffile.imwrite(path, labels, compression="zlib")
        path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(UnreadableFileError, match=name):
        read_labels(path)
