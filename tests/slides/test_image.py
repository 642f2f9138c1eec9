import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.slides import read_image

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (11, 17, 3), dtype=np.uint8)
RGB[0, 0] = 255
GRAY = RGB[..., 0]
GRAY_RGB = np.repeat(GRAY[..., None], 3, axis=-1)
ALPHA = RNG.integers(1, 256, (11, 17, 1), dtype=np.uint8)
RGBA = np.concatenate([RGB, ALPHA], axis=-1)
ON_WHITE = np.rint(RGB * (ALPHA / 255) + 255 * (1 - ALPHA / 255)).astype(np.uint8)
TWELVE = (RGB.astype(np.uint16) << 4) | (RGB >> 4)  # 12 bits: 255 becomes 4095
SIXTEEN = RGB.astype(np.uint16) * 257


def chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
@pytest.mark.parametrize(("stored", "expected"), [(RGB, RGB), (GRAY, GRAY_RGB)])
def test_lossless_formats_come_back_as_they_were(
    tmp_path: Path, suffix: str, stored: Array, expected: Array
) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(stored).save(path)
    read = read_image(path)
    np.testing.assert_array_equal(read, expected)
    assert read.dtype == np.uint8
    assert read.flags.c_contiguous


def test_a_deep_ppm_is_scaled_by_its_depth(tmp_path: Path) -> None:
    samples = (GRAY.astype(np.uint16) * 257).astype(">u2")
    head = f"P5 {GRAY.shape[1]} {GRAY.shape[0]} 65535\n".encode()
    (tmp_path / "a.ppm").write_bytes(head + samples.tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "a.ppm"), GRAY_RGB)


def test_a_jpeg_is_near_what_it_was(tmp_path: Path) -> None:
    smooth = np.tile(np.arange(64, dtype=np.uint8)[:, None, None] * 4, (1, 48, 3))
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - smooth).max() < 6


def test_the_content_counts_and_not_the_suffix(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.jpg", format="PNG")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), RGB)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_the_orientation_is_honoured(tmp_path: Path, orientation: int, suffix: str) -> None:
    turned = {  # how a camera stores an upright picture
        1: RGB,
        2: RGB[:, ::-1],
        3: np.rot90(RGB, 2),
        4: RGB[::-1],
        5: RGB.transpose(1, 0, 2),
        6: np.rot90(RGB, 1),
        7: np.rot90(RGB.transpose(1, 0, 2), 2),
        8: np.rot90(RGB, -1),
    }[orientation]
    path = tmp_path / f"a{suffix}"
    if suffix == ".tif":
        tag = (274, 3, 1, orientation, True)
        tifffile.imwrite(path, np.ascontiguousarray(turned), photometric="rgb", extratags=[tag])
    else:
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(np.ascontiguousarray(turned)).save(path, exif=exif)
    np.testing.assert_array_equal(read_image(path), RGB)
    np.testing.assert_array_equal(read_image(path, upright=False), turned)


def test_transparency_becomes_white(tmp_path: Path) -> None:
    Image.fromarray(RGBA).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", RGBA, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(
        tmp_path / "b.tif", RGBA, photometric="rgb", planarconfig="contig", extrasamples=[0]
    )
    for name in ("a.png", "a.tif", "b.tif"):
        assert np.abs(read_image(tmp_path / name).astype(int) - ON_WHITE).max() <= 1, name


def test_premultiplied_transparency_becomes_white(tmp_path: Path) -> None:
    multiplied = np.rint(RGB * (ALPHA / 255)).astype(np.uint8)
    stored = np.concatenate([multiplied, ALPHA], axis=-1)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    assert np.abs(read_image(tmp_path / "a.tif").astype(int) - ON_WHITE).max() <= 1


def test_palettes_with_and_without_transparency(tmp_path: Path) -> None:
    image = Image.fromarray(RGB).quantize(8)
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "a.tif")
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), expected)
    image.save(tmp_path / "b.png", transparency=0)
    clear = np.asarray(image) == 0
    read = read_image(tmp_path / "b.png")
    assert (read[clear] == 255).all()
    np.testing.assert_array_equal(read[~clear], expected[~clear])


def test_cmyk_jpeg_and_one_bit_png(tmp_path: Path) -> None:
    Image.new("CMYK", (9, 5), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - (255, 0, 0)).max() < 4
    Image.fromarray(GRAY > 100).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[..., 1], (GRAY > 100) * 255)


@pytest.mark.parametrize("stored", [SIXTEEN, TWELVE, RGB.astype(np.uint16)])
@pytest.mark.parametrize("gray", [False, True])
def test_deep_pictures_are_scaled_by_their_range(tmp_path: Path, stored: Array, gray: bool) -> None:
    stored, expected = (stored[..., 0].copy(), GRAY_RGB) if gray else (stored, RGB)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(stored))
    photometric = "minisblack" if gray else "rgb"
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric)
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(read_image(tmp_path / name), expected)


def test_a_deep_picture_with_alpha(tmp_path: Path) -> None:
    deep = np.concatenate([SIXTEEN, ALPHA.astype(np.uint16) * 257], axis=-1)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(deep))
    assert np.abs(read_image(tmp_path / "a.png").astype(int) - ON_WHITE).max() <= 1


@pytest.mark.parametrize(
    ("stored", "options", "expected"),
    [
        (RGB.transpose(2, 0, 1), {"photometric": "rgb", "planarconfig": "separate"}, RGB),
        (RGB, {"photometric": "rgb", "compression": "deflate", "tile": (16, 16)}, RGB),
        (RGB, {"photometric": "rgb", "bigtiff": True, "byteorder": ">"}, RGB),
        (255 - GRAY, {"photometric": "miniswhite"}, GRAY_RGB),
        (GRAY > 9, {"photometric": "minisblack"}, np.repeat((GRAY > 9)[..., None] * 255, 3, -1)),
        (RGB / np.float32(255), {"photometric": "rgb"}, RGB),
        (GRAY / 255.0, {"photometric": "minisblack"}, GRAY_RGB),
    ],
    ids=["planar", "tiled", "big-endian", "miniswhite", "bilevel", "float32", "float64"],
)
def test_kinds_of_tiff(
    tmp_path: Path, stored: Array, options: dict[str, object], expected: Array
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ascontiguousarray(stored), **options)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), expected)


def test_a_jpeg_compressed_tiff_in_ycbcr_is_rgb(tmp_path: Path) -> None:
    flat = np.tile(np.array([200, 60, 120], np.uint8), (64, 64, 1))
    Image.fromarray(flat).save(tmp_path / "a.tif", compression="jpeg")
    tifffile.imwrite(tmp_path / "b.tif", flat, photometric="rgb", compression="jpeg")
    kinds = set()
    for name in ("a.tif", "b.tif"):
        with tifffile.TiffFile(tmp_path / name) as tif:
            kinds.add(tif.pages[0].aspage().photometric)
        assert np.abs(read_image(tmp_path / name).astype(int) - flat).max() < 4
    assert tifffile.PHOTOMETRIC.YCBCR in kinds


def test_of_a_pyramid_the_largest_level_is_read(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(RGB, photometric="rgb", subifds=1)
        tif.write(RGB[::2, ::2], photometric="rgb", subfiletype=1)
        tif.write(RGB[::3, ::3], photometric="rgb")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), RGB)


def test_pictures_beyond_the_limit_of_pillow_are_read(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    Image.new("1", (9500, 9500), 1).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == (9500, 9500, 3)
    assert before == Image.MAX_IMAGE_PIXELS


def bad_files() -> dict[str, tuple[Callable[[Path], object], str]]:
    def cut_short(suffix: str) -> Callable[[Path], object]:
        def write(path: Path) -> None:
            big = RNG.integers(0, 256, (200, 200, 3), dtype=np.uint8)
            whole = path.with_suffix(suffix)
            Image.fromarray(big).save(whole)
            content = whole.read_bytes()
            whole.unlink()
            path.write_bytes(content[: len(content) // 2])

        return write

    def huge(path: Path) -> None:
        head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
        start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
        path.write_bytes(start + chunk(b"IDAT", b"") + chunk(b"IEND", b""))

    def without_pixels(path: Path) -> None:
        head = struct.pack(">IIBBBBB", 0, 7, 8, 2, 0, 0, 0)
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IEND", b""))

    def animated(path: Path) -> None:
        frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
        frames[0].save(path, format="PNG", save_all=True, append_images=frames[1:])

    def tiff(**options: object) -> Callable[[Array], Callable[[Path], object]]:
        return lambda array: lambda path: tifffile.imwrite(path, array, **options)

    rgb, gray = tiff(photometric="rgb"), tiff(photometric="minisblack")
    return {
        "empty": (lambda path: path.write_bytes(b""), "is empty"),
        "text": (
            lambda path: path.write_text("hello, I am a text"),
            "not a PNG, JPEG, TIFF, BMP or PPM",
        ),
        "png cut short": (cut_short(".png"), "damaged or cut short"),
        "jpeg cut short": (cut_short(".jpg"), "damaged or cut short"),
        "bmp cut short": (cut_short(".bmp"), "damaged or cut short"),
        "tiff cut short": (cut_short(".tif"), "cut short|truncated"),
        "half a head": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0"), "damaged or cut"),
        "half a tiff": (lambda path: path.write_bytes(b"II*\0\x08\0\0"), "damaged or cut short"),
        "huge": (huge, "40000 x 40000 pixels"),
        "no pixels": (without_pixels, "damaged or cut short"),
        "animated": (animated, "is animated"),
        "stack": (rgb(np.stack([RGB] * 3)), "stack of 3"),
        "imagej stack": (tiff(imagej=True)(np.stack([GRAY] * 4)), "stack of 4"),
        "thumbnail first": (
            lambda path: (
                tifffile.imwrite(path, RGB[::2, ::2], photometric="rgb"),
                tifffile.imwrite(path, RGB, photometric="rgb", append=True),
            ),
            "stack of 2",
        ),
        "float of any range": (rgb(RGB.astype(np.float32)), r"span 0 to 255, expected \[0, 1\]"),
        "not a number": (gray(np.full((4, 4), np.nan, np.float32)), r"100\.00% .* \(NaN\)"),
        "signed": (gray(GRAY.astype(np.int16)), "samples are int16"),
        "32 bits": (gray(GRAY.astype(np.uint32)), "samples are uint32"),
        "five channels": (
            tiff(photometric="minisblack", planarconfig="contig")(np.zeros((9, 9, 5), np.uint8)),
            "5 channels",
        ),
        "cmyk": (tiff(photometric="separated")(RGBA), "SEPARATED"),
        "all transparent": (
            lambda path: Image.fromarray(RGBA * np.uint8([1, 1, 1, 0])).save(path, format="PNG"),
            "every pixel is transparent",
        ),
    }


@pytest.mark.parametrize("case", bad_files())
def test_what_is_no_picture_is_refused_by_name(tmp_path: Path, case: str) -> None:
    write, message = bad_files()[case]
    path = tmp_path / "picture.xyz"
    write(path)
    with pytest.raises(UnreadableFileError, match=message) as caught:
        read_image(path)
    assert "picture.xyz" in str(caught.value)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"nope\.png cannot be opened: No such file"):
        read_image(tmp_path / "nope.png")


def test_real_pictures(shared_data: Path) -> None:
    assert read_image(shared_data / "deepliif_large" / "ROI_1.png").shape == (949, 1381, 3)
    assert read_image(shared_data / "wsi" / "CMU-1-Small-Region.svs").shape == (2967, 2220, 3)
    with pytest.raises(UnreadableFileError, match="2"):
        read_image(shared_data / "impartial_vectra" / "image0.tif")
