"""What was moved is found again; what does not belong together is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from histoseg.contracts import Array
from histoseg.registration import (
    Alignment,
    Limits,
    Refinement,
    Search,
    Settings,
    align,
    bend,
    judge,
    mean_distance,
    move,
    nuclear_channel,
)
from histoseg.registration.transform import Transform

from .painted import SIDE, brightfield, fluorescence, moved, nuclei, random_affine

HOW = Settings(Search(side=96), Refinement(samples=20_000), Limits())
WHOLE = (SIDE, SIDE)


def aligned(fixed: Array, moving: Array) -> Alignment:
    return align(nuclear_channel(fixed), nuclear_channel(moving), HOW)


@pytest.fixture(scope="module")
def panels(shared_data: Path) -> list[Array]:
    strip = cv2.imread(str(shared_data / "deepliif_sample" / "train" / "Bladder1.png"))
    return np.split(np.ascontiguousarray(strip[..., ::-1]), 6, axis=1)


@pytest.fixture(scope="module")
def offset(panels: list[Array]) -> Array:
    """The strip's own IHC and DAPI do not lie on each other: 11 px between them."""
    return aligned(panels[0], panels[2]).matrix


@pytest.mark.parametrize("seed", [0, 1])
def test_a_known_affine_between_two_stains_is_found(seed: int) -> None:
    amount, truth = nuclei(seed), random_affine(seed, WHOLE, shift=0.15)
    found = aligned(brightfield(amount), moved(fluorescence(amount), truth))
    assert found.complaints == ()
    assert mean_distance(found.matrix, truth, WHOLE) < 0.5


@pytest.mark.parametrize("seed", [1, 4, 10])
def test_a_known_affine_on_the_real_panels_is_found(
    seed: int, panels: list[Array], offset: Array
) -> None:
    truth = random_affine(seed, (512, 512))
    found = aligned(panels[0], moved(panels[2], truth))
    assert found.complaints == ()
    assert mean_distance(found.matrix, truth @ offset, (512, 512)) < 0.6


def test_a_known_affine_within_one_stain_is_found_without_any_other_truth(
    panels: list[Array],
) -> None:
    truth = random_affine(2, (512, 512))
    found = aligned(panels[2], moved(panels[2], truth))
    assert found.complaints == ()
    assert mean_distance(found.matrix, truth, (512, 512)) < 0.2


@pytest.mark.parametrize("change", [np.fliplr, np.rot90])
def test_a_mirrored_or_turned_picture_is_refused(change: object, panels: list[Array]) -> None:
    wrong = np.ascontiguousarray(change(panels[2]))  # type: ignore[operator]
    found = aligned(panels[0], wrong)
    assert len(found.complaints) >= 2


def test_pictures_of_other_tissue_are_refused(shared_data: Path, panels: list[Array]) -> None:
    path = shared_data / "deepliif_sample" / "test_cli" / "22_2.png"
    other = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
    found = aligned(other, panels[2])
    assert any("blocks" in text for text in found.complaints)
    assert any("unlike" in text for text in found.complaints)
    assert any("two starts" in text for text in found.complaints)


def test_painted_tissue_that_is_another_is_refused() -> None:
    assert aligned(brightfield(nuclei(0)), fluorescence(nuclei(5))).complaints


def test_pictures_that_barely_overlap_are_refused() -> None:
    whole = nuclei(3, 2 * SIDE)
    fixed, moving = whole[:SIDE, :SIDE], whole[SIDE - 40 :, SIDE - 40 :][:SIDE, :SIDE]
    assert aligned(brightfield(fixed), fluorescence(moving)).complaints


@pytest.mark.parametrize("value", [0, 255])
def test_an_empty_picture_is_refused_with_its_side(value: int) -> None:
    empty = np.full((*WHOLE, 3), value, np.uint8)
    (why,) = aligned(brightfield(nuclei(0)), empty).complaints
    assert "moving picture is empty" in why
    (why,) = aligned(empty, fluorescence(nuclei(0))).complaints
    assert "fixed picture is empty" in why


def test_a_small_picture_is_found_on_a_large_one() -> None:
    amount = nuclei(7, 400)
    part = amount[90 : 90 + SIDE, 120 : 120 + SIDE]
    found = aligned(brightfield(amount), fluorescence(part))
    assert found.complaints == ()
    truth = np.array([[1, 0, -120], [0, 1, -90], [0, 0, 1.0]])
    inner = move(np.linalg.inv(truth), np.array([[0.0, 0], [200, 0], [0, 200]]))
    assert np.abs(move(found.matrix, inner) - move(truth, inner)).max() < 1


def test_the_same_pictures_give_the_same_bits() -> None:
    amount = nuclei(2)
    one, two = (aligned(brightfield(amount), fluorescence(amount)).matrix for _ in range(2))
    assert np.array_equal(one, two)


def test_a_smooth_bending_is_followed_further_than_by_an_affine() -> None:
    amount = nuclei(4)
    ys, xs = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    way = 3 * np.sin(ys / SIDE * 2 * np.pi)
    bent = cv2.remap(amount, xs - way, ys, cv2.INTER_LINEAR)
    fixed, moving = nuclear_channel(brightfield(amount)), nuclear_channel(fluorescence(bent))
    start = np.eye(3)
    bending = bend(fixed, moving, start, 4, Refinement(samples=20_000, iterations=15))
    inner = (slice(30, -30), slice(30, -30))
    left = np.abs(bending.field[..., 0] - way)[inner].mean()
    assert left < 0.4 * np.abs(way[inner]).mean()
    assert not bending.folds
    before = judge(fixed, moving, Transform(start).points, Limits())
    after = judge(fixed, moving, Transform(start, (1.0, 1.0), bending).points, Limits())
    assert after.mutual_information > before.mutual_information
