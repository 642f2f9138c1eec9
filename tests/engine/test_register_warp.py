"""Warped pictures as files, large ones too, and what is said without SimpleITK."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from histoseg.engine import register_warp
from histoseg.engine.register_warp import WarpedLabels, WarpedPicture, within, write_warped
from histoseg.errors import MissingExtraError
from histoseg.registration import Refinement, Transform, similarity
from histoseg.registration.refine import refine_affine
from histoseg.slides import Slide, open_slide
from registration.painted import brightfield, nuclei


@pytest.fixture
def slide(tmp_path: Path) -> Slide:
    path = tmp_path / "a.png"
    assert cv2.imwrite(str(path), brightfield(nuclei(0))[..., ::-1])
    return open_slide(path, 0.5)


def test_a_picture_too_large_for_a_png_is_a_pyramid_of_the_same_pixels(
    slide: Slide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned = WarpedPicture.of(slide, Transform(similarity(10, 1.1, (99, 99), (110, 90))))
    small = write_warped(tmp_path, "small", turned, slide)
    monkeypatch.setattr(register_warp, "LARGE", 1000)
    large = write_warped(tmp_path, "large", turned, slide)
    assert (small.name, large.name) == ("small.png", "large.ome.tif")
    assert np.array_equal(tifffile.imread(large), cv2.imread(str(small))[..., ::-1])
    with open_slide(large) as again:
        assert again.mpp == (0.5, 0.5)


def test_beyond_the_picture_glass_is_white_and_night_is_black(slide: Slide, tmp_path: Path) -> None:
    away = Transform(np.array([[1, 0, 1000], [0, 1, 0], [0, 0, 1.0]]))
    assert (WarpedPicture.of(slide, away).part((0, 0, 9, 9)) == 255).all()
    assert cv2.imwrite(str(tmp_path / "dark.png"), np.full((80, 80, 3), 20, np.uint8))
    dark = open_slide(tmp_path / "dark.png")
    assert not WarpedPicture.of(dark, away).part((0, 0, 9, 9)).any()
    assert not WarpedLabels(np.ones((80, 80), np.int32), away).part((0, 0, 9, 9)).any()
    assert not within(away, (80, 80), (0, 0, 9, 9))
    assert within(Transform(np.eye(3)), (80, 80), (0, 0, 80, 80))
    assert not within(Transform(np.eye(3)), (80, 80), (0, 0, 81, 80))


def test_without_simpleitk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    picture = nuclei(0)
    with pytest.raises(MissingExtraError, match=r"histoseg\[register\]"):
        refine_affine(picture, picture, np.eye(3), Refinement())
