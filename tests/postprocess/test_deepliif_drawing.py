"""Overlays and refined masks, pixel by pixel."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from deepliif_sample import GOLDEN, Golden, pictures
from fakes.seg import seg_picture
from histoseg.contracts import Array
from histoseg.postprocess import DeepLIIFCells
from histoseg.postprocess.deepliif_drawing import class_mask, filled, overlay, refined

TINY = [
    "................",
    "................",
    "....GGGGGGGG....",
    "...GGGGGGGGGG...",
    "..GGGGGGGGGGG...",
    "..GGGGRRRRGGG...",
    "..GGGRRRRRGGG...",
    "..GGGRRRRRGGG...",
    "..GGGRRRRRGGG...",
    "..GGGRRRRRGGG...",
    "..GGGGGGGGGGG...",
    "..GGGGGGGGGGG...",
    "...GGGGGGGGG....",
    "................",
    "................",
    "................",
]


def drawn(seg: Array, cells: DeepLIIFCells) -> Array:
    found = cells.find_in(seg)
    called = cells.called(found, cells.settle([found.nuclei()]))
    return class_mask(called.labels, called.semantic, found.covered)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda g: f"{g.name}-{g.seg_thresh}")
def test_pictures_of_the_original_bit_by_bit(golden: Golden, shared_data: Path) -> None:
    given = pictures(shared_data, golden.name)
    mask = drawn(given["seg"], DeepLIIFCells(seg_thresh=golden.seg_thresh))
    made = (overlay(given["original"], mask), refined(mask))
    assert tuple(hashlib.md5(p.tobytes()).hexdigest()[:12] for p in made) == golden[4:6]


def test_the_tiny_case_of_the_original() -> None:
    seg = np.zeros((16, 16, 3), np.uint8)
    seg[5:10, 5:10, 0] = 200
    seg[2, 2, 2] = 200
    mask = drawn(seg, DeepLIIFCells(size_thresh=0))
    assert ["".join(".RBGG"[v] for v in row) for row in mask] == TINY
    assert mask.max() == 3, "the outline is a positive one"


FOUR = ((-1, 0), (0, -1), (0, 1), (1, 0))
EIGHT = tuple((a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b)


def background(covered: Array, y: int, x: int, steps: tuple[tuple[int, int], ...]) -> list[Array]:
    """Neighbours of a pixel that are in the picture and not covered, in order."""
    places = [np.array((y + dy, x + dx)) for dy, dx in steps]
    inside = [p for p in places if (p >= 0).all() and (p < covered.shape).all()]
    return [p for p in inside if not covered[tuple(p)]]


def plain_mask(labels: Array, kinds: dict[int, int], covered: Array) -> Array:
    """The rules pixel by pixel."""
    mask = np.zeros(labels.shape, np.uint8)
    firsts = {n: int(np.flatnonzero(labels == n)[0]) for n in kinds}
    for one in sorted(kinds, reverse=True):
        for y, x in np.argwhere(labels == one).tolist():
            if firsts[one] == y * labels.shape[1] + x:
                mask[y, x] = kinds[one] + 2
                continue
            mask[y, x] = kinds[one]
            for p in background(covered, y, x, FOUR):
                mask[tuple(p)] = kinds[one] + 2
    for _ in range(2):
        mask = plainly_wider(mask, covered)
    return mask


def plainly_wider(mask: Array, covered: Array) -> Array:
    wider = mask.copy()
    nothing = np.zeros(mask.shape, bool)
    for y, x in np.argwhere(~covered & (mask == 0)).tolist():
        around = [mask[tuple(p)] for p in background(nothing, y, x, EIGHT)]
        wider[y, x] = next((v for v in around if v > 2), 0)
    return wider


@pytest.mark.parametrize("seed", range(4))
def test_crowded_pictures_agree_with_the_rules_followed_pixel_by_pixel(seed: int) -> None:
    random = np.random.default_rng(seed)
    seg = np.zeros((40, 50, 3), np.uint8)
    for _ in range(40):
        y, x = random.integers(0, 38), random.integers(0, 48)
        h, w = random.integers(1, 7, 2)
        seg[y : y + h, x : x + w] = 0
        seg[y : y + h, x : x + w, random.choice([0, 2])] = 200
        seg[y : y + h, x + w : x + w + 1] = 0
        seg[y + h : y + h + 1, x : x + w] = 0
    cells = DeepLIIFCells(size_thresh=6)
    found = cells.find_in(seg)
    called = cells.called(found, cells.settle([found.nuclei()]))
    assert 0 < len(called) < len(found.instances)
    kinds = dict(zip(called.ids.tolist(), called.semantic.tolist(), strict=True))
    expected = plain_mask(called.labels, kinds, found.covered)
    np.testing.assert_array_equal(
        class_mask(called.labels, called.semantic, found.covered), expected
    )


@pytest.mark.parametrize("seed", range(3))
def test_cells_are_painted_back_of_their_contours(seed: int) -> None:
    seg = np.zeros((70, 80, 3), np.uint8)
    seg[..., 2] = np.where(np.random.default_rng(seed).random((70, 80)) < 0.35, 200, 0)
    found = DeepLIIFCells(noise_thresh=0).find_in(seg)
    assert len(found.instances) > 40
    np.testing.assert_array_equal(filled(found.nuclei(), (70, 80)), found.instances.labels)


def test_insides_stay_as_they_are() -> None:
    seg = seg_picture((96, 96), positive=5, negative=5)
    mask = drawn(seg, DeepLIIFCells())
    original = np.full_like(seg, 90)
    over = overlay(original, mask)
    assert (original == 90).all(), "the picture given is not drawn on"
    assert (over[(mask == 1) | (mask == 2)] == 90).all()
    assert {tuple(c) for c in over[mask > 2]} == {(255, 0, 0), (0, 0, 255)}
    assert {tuple(c) for c in refined(mask).reshape(-1, 3)} == {
        (0, 0, 0),
        (255, 0, 0),
        (0, 0, 255),
        (0, 255, 0),
    }


def test_nothing_is_drawn_of_nothing() -> None:
    mask = drawn(np.zeros((6, 7, 3), np.uint8), DeepLIIFCells())
    assert mask.shape == (6, 7)
    assert not mask.any()
