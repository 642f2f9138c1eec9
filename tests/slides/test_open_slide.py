import logging
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from fakes import dicom, slides
from fakes.arrays import shrunk
from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.slides import Slide, open_slide

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (203, 301, 3), dtype=np.uint8)
DEEP = RGB.astype(np.uint16) * 257
TWELVE = (RGB.astype(np.uint16) << 4) | (RGB >> 4)
Write = Callable[[Path, Array], object]


def as_dicom(**options: object) -> Write:
    return lambda path, image: dicom.write(path.parent, image, prefix=path.stem, **options)[
        0
    ].rename(path)


KINDS: dict[str, tuple[str, Write, int]] = {
    "png": ("png", lambda path, image: Image.fromarray(image).save(path), 1),
    "svs": ("svs", slides.svs, 4),
    "svs, whole downsample": ("svs", lambda path, image: slides.svs(path, image[:200, :300]), 4),
    "ome": ("ome.tif", slides.ome, 2),
    "ome, planes": ("ome.tif", slides.ome_planes, 2),
    "ome, channels": ("ome.tif", slides.ome_channels, 2),
    "pages": ("tif", slides.pages, 2),
    "tiles": ("tif", slides.flat(tile=(32, 64)), 1),
    "strips": ("tif", slides.flat(rowsperstrip=10), 1),
    "one strip": ("tif", slides.flat(compression="lzw"), 1),
    "strips, big-endian": ("tif", slides.flat(byteorder=">", bigtiff=True), 1),
    "dicom": ("dcm", as_dicom(levels=2), 2),
    "dicom, jpeg 2000": ("dcm", as_dicom(compressed=True), 1),
}


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Slide, Array, int]:
    suffix, write, factor = KINDS[request.param]
    path = tmp_path / f"slide.{suffix}"
    write(path, RGB)
    slide = open_slide(path)
    return slide, RGB[: slide.size[0], : slide.size[1]], factor


def test_every_kind_gives_its_pixels_in_parts(opened: tuple[Slide, Array, int]) -> None:
    slide, image, factor = opened
    with slide:
        assert slide.name == "slide"
        assert slide.size == image.shape[:2]
        assert tuple(slide.bounds) == (0, 0, image.shape[1], image.shape[0])
        np.testing.assert_array_equal(slide.read(0, 0, *image.shape[1::-1]), image)
        np.testing.assert_array_equal(slide.read(61, 47, 140, 120), image[47:167, 61:201])
        np.testing.assert_array_equal(slide.read(300 - 5, 190, 3, 2), image[190:192, 295:298])
        small = shrunk(image, factor)
        assert len(slide.levels) == 1 + (factor > 1)
        assert slide.levels[-1] == (*small.shape[:2], (factor, factor))
        level = slide.read(0, 0, *small.shape[1::-1], level=len(slide.levels) - 1)
        np.testing.assert_array_equal(level, small)
        assert slide.thumbnail(100).shape == (-(-image.shape[0] * 100 // image.shape[1]), 100, 3)


def test_what_lies_outside_is_white(opened: tuple[Slide, Array, int]) -> None:
    slide, image, _ = opened
    with slide:
        seen = slide.read(-3, -2, image.shape[1] + 9, image.shape[0] + 5)
        np.testing.assert_array_equal(seen[2:-3, 3:-6], image)
        seen[2:-3, 3:-6] = 255
        assert (seen == 255).all()
        assert (slide.read(9999, 0, 5, 4) == 255).all()


def read_corner(slide: Slide) -> Array:
    return slide.read(40, 30, 100, 90)


def test_a_slide_goes_to_other_processes(opened: tuple[Slide, Array, int]) -> None:
    slide, image, _ = opened
    with slide:
        read_corner(slide)  # the file is open here
        again = pickle.loads(pickle.dumps(slide))
        np.testing.assert_array_equal(read_corner(again), image[30:120, 40:140])
        assert again.levels == slide.levels
        again.close()
        with multiprocessing.get_context("fork").Pool(2) as pool:
            for seen in pool.map(read_corner, [slide] * 4):
                np.testing.assert_array_equal(seen, image[30:120, 40:140])


def test_threads_may_share_a_slide(opened: tuple[Slide, Array, int]) -> None:
    slide, image, _ = opened
    with slide, ThreadPoolExecutor(4) as pool:
        places = [(x, y) for x in range(0, 200, 40) for y in range(0, 150, 50)] * 2
        for (x, y), seen in zip(
            places, pool.map(lambda p: slide.read(*p, 50, 40), places), strict=False
        ):
            np.testing.assert_array_equal(seen, image[y : y + 40, x : x + 50])


def test_a_slide_is_usable_in_a_forked_process_without_pickling(tmp_path: Path) -> None:
    slides.pages(tmp_path / "a.tif", RGB)
    with open_slide(tmp_path / "a.tif") as slide:
        before = slide._opened()
        queue = multiprocessing.get_context("fork").SimpleQueue()
        child = multiprocessing.get_context("fork").Process(
            target=lambda: queue.put((slide._opened() is before, read_corner(slide)))
        )
        child.start()
        shared, seen = queue.get()
        child.join()
        assert not shared
        np.testing.assert_array_equal(seen, RGB[30:120, 40:140])


def test_parts_of_a_level_with_an_odd_downsample_fit_together(tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (1503, 5003, 3), dtype=np.uint8)
    slides.svs(tmp_path / "a.svs", image)
    with open_slide(tmp_path / "a.svs") as slide:
        assert slide.reader.endswith("(aperio)")
        assert not float(slide._steps[1]).is_integer()
        level = slide.levels[1]
        assert level == (375, 1250, (4.0, 4.0))
        whole = slide.read(0, 0, level.width, level.height, 1)
        difference = np.abs(whole.astype(int) - shrunk(image, 4))
        assert difference[:, :1024].max() == 0  # a block at the corner is not shifted
        assert difference.max() < 20  # noise, shifted by up to an eighth of a pixel
        for x, y, width, height in ((1000, 3, 200, 300), (1020, 100, 9, 9), (3, 4, 5, 6)):
            part = slide.read(x, y, width, height, 1)
            np.testing.assert_array_equal(part, whole[y : y + height, x : x + width])


@pytest.mark.parametrize("stored", [DEEP, TWELVE, RGB.astype(np.uint16)])
@pytest.mark.parametrize("options", [{}, {"tile": (64, 64)}, {"compression": "deflate"}])
def test_deep_samples_are_scaled_alike_everywhere(
    tmp_path: Path, stored: Array, options: dict[str, object]
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", **options)
    with open_slide(tmp_path / "a.tif") as slide:
        dark = np.argwhere(RGB.max(-1) < 60)[0]
        one = slide.read(int(dark[1]), int(dark[0]), 1, 1)[0, 0]
        np.testing.assert_array_equal(one, RGB[tuple(dark)])
        np.testing.assert_array_equal(slide.read(0, 0, 301, 203), RGB)


def test_missing_tiles_and_transparent_pixels_are_white(tmp_path: Path) -> None:
    tiles = [RGB[:64, :64], None, None, RGB[64:128, 64:128]]
    options: dict[str, object] = {"photometric": "rgb", "tile": (64, 64), "compression": "deflate"}
    tifffile.imwrite(tmp_path / "a.tif", iter(tiles), shape=(128, 128, 3), dtype="u1", **options)
    rgba = np.dstack([RGB[:128, :128], np.zeros((128, 128), np.uint8)])
    rgba[:64, :, 3] = 255
    tifffile.imwrite(tmp_path / "b.tif", rgba, extrasamples=["unassalpha"], **options)
    with open_slide(tmp_path / "a.tif") as slide:
        seen = slide.read(0, 0, 128, 128)
        np.testing.assert_array_equal(seen[:64, :64], RGB[:64, :64])
        np.testing.assert_array_equal(seen[64:, 64:], RGB[64:128, 64:128])
        assert (seen[:64, 64:] == 255).all()
    with open_slide(tmp_path / "b.tif") as slide:
        np.testing.assert_array_equal(slide.read(0, 0, 128, 64), RGB[:64, :128])
        assert (slide.read(0, 0, 128, 128)[64:] == 255).all()
        assert (slide.read(5, 70, 10, 10) == 255).all()


def test_gray_becomes_colour_and_turned_files_are_upright(tmp_path: Path) -> None:
    gray = np.ascontiguousarray(RGB[..., 0])
    tifffile.imwrite(tmp_path / "a.tif", gray, photometric="minisblack", tile=(32, 32))
    turned = np.ascontiguousarray(np.rot90(RGB))
    tag = (274, 3, 1, 6, True)
    tifffile.imwrite(tmp_path / "b.tif", turned, photometric="rgb", extratags=[tag])
    with open_slide(tmp_path / "a.tif") as slide:
        np.testing.assert_array_equal(slide.read(0, 0, 301, 203), gray[..., None].repeat(3, -1))
    with open_slide(tmp_path / "b.tif") as slide:
        assert slide.reader == "picture"
        np.testing.assert_array_equal(slide.read(0, 0, 301, 203), RGB)


def test_sparse_dicom_leaves_white_what_was_not_scanned(tmp_path: Path) -> None:
    (path,) = dicom.write(tmp_path, RGB, sparse=True)
    from histoseg.slides.dicom_slide import DicomSlide

    with DicomSlide(path) as slide:
        seen = slide.read(0, 0, 301, 203)
        assert (seen[:32, :32] == 255).all()
        np.testing.assert_array_equal(seen[32:], RGB[32:])
        np.testing.assert_array_equal(seen[:32, 32:], RGB[:32, 32:])


def test_the_dicom_that_openslide_refuses_equals_the_slide(
    shared_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (path,) = (shared_data / "wsi_wsic").glob("CMU*/*35220*.dcm")
    caplog.set_level(logging.INFO)
    with open_slide(path) as copy, open_slide(shared_data / "wsi/CMU-1-Small-Region.svs") as slide:
        assert "OpenSlide refuses it" in caplog.text
        assert "Unsupported photometric interpretation YBR_FULL" in caplog.text
        assert copy.reader == "pydicom"
        assert copy.size == slide.size == (2967, 2220)
        assert copy.mpp == slide.mpp == (0.499, 0.499)
        for box in ((0, 0, 500, 500), (2000, 2700, 220, 267)):
            np.testing.assert_array_equal(copy.read(*box), slide.read(*box))


def test_real_dicom_in_several_encodings(shared_data: Path) -> None:
    folder = shared_data / "wsi" / "highdicom"
    names = ("sm_image", "sm_image_jpegls", "sm_image_jpegls_nobot")
    seen = []
    for name in names:
        with open_slide(folder / f"{name}.dcm") as slide:
            assert slide.mpp == (0.499, 0.499)
            seen.append(slide.read(0, 0, 50, 50))
    assert slide.reader == "pydicom"
    np.testing.assert_array_equal(seen[1], seen[2])
    with open_slide(folder / "sm_image_grayscale.dcm") as slide:
        assert slide.size == (50, 50)
    with pytest.raises(UnreadableFileError, match="without a picture of type VOLUME"):
        open_slide(folder / "seg_image_sm_dots.dcm")


def test_the_real_slide(shared_data: Path) -> None:
    with open_slide(shared_data / "wsi" / "CMU-1-Small-Region.svs") as slide:
        assert (slide.size, slide.mpp, slide.magnification) == ((2967, 2220), (0.499, 0.499), 20)
        assert slide.reader.startswith("OpenSlide 4")
        assert slide.thumbnail(512).shape == (512, 384, 3)
