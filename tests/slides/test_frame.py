from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.arrays import ArraySlide, shrunk
from histoseg.contracts import Array
from histoseg.errors import SlideError
from histoseg.slides import Frame, frame, open_slide

NOISE = np.random.default_rng(0).integers(0, 256, (203, 301, 3), dtype=np.uint8)
SCALES = st.one_of(st.sampled_from([0.4, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0]), st.floats(0.4, 11))


def ramp(height: int, width: int, factors: tuple[int, ...] = (1,)) -> ArraySlide:
    """Red rises along x and green along y, one grey value in two pixels."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width)[None] // 2
    image[..., 1] = np.arange(height)[:, None] // 2
    return ArraySlide(image, 0.25, factors)


@given(SCALES, st.sampled_from([(1,), (1, 2, 4), (1, 3)]), st.data())
@settings(max_examples=60, deadline=None)
def test_a_part_is_what_the_whole_has_there(
    scale: float, factors: tuple[int, ...], data: st.DataObject
) -> None:
    whole = Frame.scaled(ArraySlide(NOISE, 0.25, factors), scale)
    pixels = whole.read(0, 0, whole.width, whole.height)
    x, y = (data.draw(st.integers(0, n - 1)) for n in (whole.width, whole.height))
    width = data.draw(st.integers(1, whole.width - x))
    height = data.draw(st.integers(1, whole.height - y))
    part = whole.read(x, y, width, height)
    np.testing.assert_array_equal(part, pixels[y : y + height, x : x + width])


@given(SCALES, st.sampled_from([(1,), (1, 2, 4), (1, 3)]))
@settings(max_examples=40, deadline=None)
def test_pixels_are_where_they_are_said_to_be(scale: float, factors: tuple[int, ...]) -> None:
    seen = Frame.scaled(ramp(380, 460, factors), scale)
    pixels = seen.read(0, 0, seen.width, seen.height).astype(float)
    y, x = np.mgrid[: seen.height, : seen.width]
    places = seen.to_level0(np.stack([x, y], axis=-1))
    edge = int(np.ceil(9 / scale))  # the border is repeated there
    inner = (slice(edge, -edge - 1), slice(edge, -edge - 1))
    expected = (places[inner] - 0.5) / 2 + 0.25
    assert np.abs(pixels[inner][..., :2] - expected).max() <= 1.3  # rounded up to three times
    np.testing.assert_allclose(seen.from_level0(places), np.stack([x, y], axis=-1), atol=1e-9)


def test_whole_scales_give_pixels_and_their_means() -> None:
    slide = ArraySlide(NOISE, 0.25)
    np.testing.assert_array_equal(Frame.at(slide, 0.25).read(0, 0, 301, 203), NOISE)
    for factor in (2, 3, 4):
        expected = shrunk(NOISE, factor)
        seen = Frame.at(slide, 0.25 * factor).read(0, 0, expected.shape[1], expected.shape[0])
        np.testing.assert_array_equal(seen, expected)


def test_a_level_is_taken_as_it_is_where_it_fits() -> None:
    slide = ArraySlide(NOISE, 0.2527, (1, 2, 4))
    fine, half, quarter = (Frame.at(slide, mpp) for mpp in (0.25, 0.5, 1.0))
    assert [f.level for f in (fine, half, quarter)] == [0, 1, 2]
    assert [f.scale for f in (fine, half, quarter)] == [(1, 1), (2, 2), (4, 4)]
    assert half.mpp == (0.5054, 0.5054)
    assert half.size == (102, 151)  # covers the slide of 203 x 301
    np.testing.assert_array_equal(half.read(0, 0, 150, 101), slide.pictures[1])
    exact = Frame.at(slide, 0.5, snap=0)
    assert exact.level == 0
    assert exact.mpp == pytest.approx((0.5, 0.5))


def test_the_next_finer_level_is_read() -> None:
    slide = ArraySlide(NOISE, 0.25, (1, 2, 4))
    levels = {mpp: Frame.at(slide, mpp).level for mpp in (0.1, 0.3, 0.48, 0.495, 0.7, 0.99, 8.0)}
    assert levels == {0.1: 0, 0.3: 0, 0.48: 0, 0.495: 1, 0.7: 1, 0.99: 2, 8.0: 2}


def test_oblong_pixels_become_square() -> None:
    slide = ArraySlide(NOISE, 0.25)
    slide.resolution = type(slide.resolution)((0.25, 0.5), None)
    seen = Frame.at(slide, 0.5)
    assert seen.size == (203, 151)
    expected = (NOISE[:, :300:2].astype(int) + NOISE[:, 1:300:2] + 1) // 2
    np.testing.assert_array_equal(seen.read(0, 0, 150, 203), expected)


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_outside_is_white_or_mirrored(scale: float) -> None:
    seen = Frame.scaled(ArraySlide(NOISE[:200, :300], 0.25), scale)
    inner = seen.read(0, 0, seen.width, seen.height)
    white = seen.read(-7, -5, seen.width + 20, seen.height + 30)
    np.testing.assert_array_equal(white[5:-25, 7:-13], inner)
    white[5:-25, 7:-13] = 255
    assert (white == 255).all()
    assert (seen.read(-50, 0, 20, 20) == 255).all()
    mirrored = seen.read(-7, -5, seen.width + 20, seen.height + 30, outside="mirror")
    padded = np.pad(inner, ((5, 25), (7, 13), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(mirrored, padded)
    tiny = Frame.scaled(ArraySlide(NOISE[:1, :3], 0.25), 1.0)
    expected = np.pad(NOISE[:1, :3], ((4, 4), (9, 9), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(tiny.read(-9, -4, 21, 9, outside="mirror"), expected)


def test_large_frames_are_read_bit_by_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    slide = ArraySlide(NOISE, 0.25)
    seen = Frame.scaled(slide, 2.7)
    at_once = seen.read(0, 0, seen.width, seen.height)
    monkeypatch.setattr(frame, "MAX_SOURCE", 500)
    sizes: list[int] = []
    read = slide.read
    monkeypatch.setattr(slide, "read", lambda *a: sizes.append(a[2] * a[3]) or read(*a))
    np.testing.assert_array_equal(seen.read(0, 0, seen.width, seen.height), at_once)
    assert len(sizes) > 100
    assert max(sizes) < 900


def test_a_slide_without_resolution_says_how_to_give_it() -> None:
    with pytest.raises(SlideError, match=r"how large its pixels are: give mpp="):
        Frame.at(ArraySlide(NOISE), 0.25)
    assert Frame.scaled(ArraySlide(NOISE), 2).mpp is None
    with pytest.raises(SlideError, match=r"has 8 µm per pixel, more than 16 times the 0\.25"):
        Frame.at(ArraySlide(NOISE, 8.0), 0.25)


def test_the_real_coordinate_grid(shared_data: Path) -> None:
    (path,) = (shared_data / "wsi_wsic" / "bfconvert").glob("*.ome.tiff")
    with open_slide(path, mpp=0.5) as slide:
        whole = slide.read(0, 0, 512, 512)
        assert len(np.unique(blocks(whole), axis=0)) > 4000  # each block of 8 x 8 is its own
        same, half = Frame.at(slide, 0.5), Frame.at(slide, 1.0)
        np.testing.assert_array_equal(same.read(37, 81, 200, 150), whole[81:231, 37:237])
        np.testing.assert_array_equal(half.read(0, 0, 256, 256), shrunk(whole, 2))
        np.testing.assert_array_equal(half.read(33, 7, 90, 80), shrunk(whole, 2)[7:87, 33:123])


def blocks(image: Array) -> Array:
    return image.reshape(64, 8, 64, 8, 3).transpose(0, 2, 1, 3, 4).reshape(64 * 64, -1)
