from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.io import savemat

from histoseg.data.image_file import read_image, read_labels
from histoseg.errors import UnreadableFileError

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_rgb_comes_back_exactly(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(RGB).save(path)
    np.testing.assert_array_equal(read_image(path), RGB)


def test_jpeg_keeps_the_order_of_colours(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (250, 120, 10)).save(tmp_path / "x.jpg", quality=95)
    assert np.abs(read_image(tmp_path / "x.jpg")[8, 8].astype(int) - [250, 120, 10]).max() < 4


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_gray_becomes_three_channels(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(RGB[:, :, 0]).save(path)
    np.testing.assert_array_equal(read_image(path), np.repeat(RGB[:, :, :1], 3, axis=2))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_become_eight(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    deep = RGB.astype(np.uint16) * 257
    if suffix == "png":
        cv2.imwrite(str(path), deep[:, :, ::-1])
    else:
        tifffile.imwrite(path, deep, photometric="rgb")
    np.testing.assert_array_equal(read_image(path), RGB)


def test_transparent_is_white(tmp_path: Path) -> None:
    alpha = np.zeros((5, 7, 1), np.uint8)
    alpha[0], alpha[1] = 255, 51  # opaque, a fifth
    Image.fromarray(np.dstack([RGB, alpha])).save(tmp_path / "x.png")
    image = read_image(tmp_path / "x.png")
    np.testing.assert_array_equal(image[0], RGB[0])
    np.testing.assert_array_equal(image[1], np.rint(RGB[1] / 5 + 255 * 4 / 5))
    assert (image[2:] == 255).all()


def test_planar_tiff(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "x.tif", RGB.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"
    )
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif"), RGB)


def test_refuses_floats_and_stacks(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "f.tif", np.zeros((5, 5), np.float32))
    tifffile.imwrite(tmp_path / "s.tif", np.zeros((9, 5, 6), np.uint8), photometric="minisblack")
    with pytest.raises(UnreadableFileError, match="float32"):
        read_image(tmp_path / "f.tif")
    with pytest.raises(UnreadableFileError, match=r"\(9, 5, 6\)"):
        read_image(tmp_path / "s.tif")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_damaged_and_missing_images_are_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    with pytest.raises(UnreadableFileError, match=rf"x\.{suffix}"):
        read_image(path)
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableFileError, match=rf"x\.{suffix}"):
        read_image(path)


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
