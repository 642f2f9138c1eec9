"""Which tiles of a registration are kept."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from histoseg.contracts import Array
from histoseg.engine.register_tiles import TileLimits, judge_tile, set_name
from histoseg.slides import open_slide
from registration.painted import brightfield, fluorescence, nuclei

LIMITS = TileLimits(ncc=0.4, shift=4)
SIDE = 128
BETWEEN = ("hematoxylin", "brightness")


def tile(amount: Array, dy: int = 0, dx: int = 0) -> Array:
    return amount[40 + dy : 40 + dy + SIDE, 40 + dx : 40 + dx + SIDE]


@pytest.fixture(scope="module")
def fixed() -> Array:
    return brightfield(tile(nuclei(0)))


def test_a_tile_that_fits_is_kept(fixed: Array) -> None:
    judged = judge_tile(fixed, fluorescence(tile(nuclei(0))), BETWEEN, LIMITS)
    assert judged.reason == ""
    assert judged.ncc > 0.8
    assert judged.shift == (0, 0)


def test_a_tile_next_to_its_place_says_where_it_lies_better(fixed: Array) -> None:
    moved = fluorescence(tile(nuclei(0), dy=6, dx=-3))
    judged = judge_tile(fixed, moved, BETWEEN, TileLimits(ncc=-1, shift=4))
    assert judged.shift == (-3, 6)
    assert "better 6.7 px away" in judged.reason
    assert judge_tile(fixed, moved, BETWEEN, TileLimits(ncc=-1, shift=7)).reason == ""


def test_a_tile_of_other_tissue_is_rejected_by_its_correlation(fixed: Array) -> None:
    judged = judge_tile(fixed, fluorescence(tile(nuclei(9))), BETWEEN, LIMITS)
    assert "below 0.4" in judged.reason
    assert judged.ncc < 0.4


def test_an_empty_tile_is_rejected(fixed: Array) -> None:
    judged = judge_tile(fixed, np.zeros_like(fixed), BETWEEN, LIMITS)
    assert "empty" in judged.reason


@pytest.mark.parametrize(
    ("file", "name"),
    [("case1_IHC.png", "case1"), ("IHC.png", "set"), ("a.b IHC 2.png", "a.b  2"), ("x.png", "x")],
)
def test_sets_are_called_as_the_file_without_its_stain(
    file: str, name: str, tmp_path: Path
) -> None:
    assert cv2.imwrite(str(tmp_path / file), np.zeros((70, 70, 3), np.uint8))
    assert set_name(open_slide(tmp_path / file), "IHC") == name
