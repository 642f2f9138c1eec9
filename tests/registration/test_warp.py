"""Warped pictures, transforms on disk, landmarks, and what quality means."""

from pathlib import Path

import numpy as np
import orjson
import pytest

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.registration import (
    Landmarks,
    Limits,
    Quality,
    Refinement,
    Transform,
    bend,
    boxes,
    complaints,
    fit_affine,
    kind_of,
    left_out_errors,
    move,
    nuclear_channel,
    parts_of,
    read_landmarks,
    read_transform,
    reader,
    sample,
    shrinking,
    similarity,
    sources,
)
from histoseg.registration.quality import block_shifts, mutual_information

from .painted import brightfield, fluorescence, landmarks_csv, nuclei, random_affine

HEAD = "fixed_x,fixed_y,moving_x,moving_y\n"
GOOD = Quality(0.9, 0.8, 0.5, 20, 0.9, 0.0, 2.0, 0.1)


def warped(picture: Array, matrix: Array, size: tuple[int, int], *, nearest: bool = False) -> Array:
    where = sources(Transform(matrix).points, (0, 0, size[1], size[0]))
    return sample(reader(picture), picture.shape[:2], where, fill=9, nearest=nearest)


@pytest.mark.parametrize("nearest", [False, True])
def test_whole_pixels_are_moved_without_any_change(nearest: bool) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    shift = np.array([[1, 0, 5], [0, 1, -3], [0, 0, 1.0]])
    result = warped(picture, shift, (30, 40), nearest=nearest)
    assert np.array_equal(result[3:, :35], picture[:27, 5:])
    assert (result[:3] == 9).all()
    assert (result[:, 35:] == 9).all()


def test_half_a_pixel_is_the_mean_of_two() -> None:
    picture = np.array([[0, 100, 200]], np.uint8).repeat(3, axis=0)
    half = np.array([[1, 0, 0.5], [0, 1, 0], [0, 0, 1.0]])
    assert warped(picture, half, (3, 2)).tolist() == [[50, 150]] * 3


def test_labels_keep_their_numbers() -> None:
    labels = np.random.default_rng(0).choice([0, 7, 70_000], (64, 64)).astype(np.int32)
    result = warped(labels, random_affine(0, (64, 64)), (64, 64), nearest=True)
    assert result.dtype == np.int32
    assert set(np.unique(result)) <= {0, 7, 9, 70_000}


def test_a_picture_warped_in_parts_is_the_one_warped_whole() -> None:
    picture, matrix = brightfield(nuclei(0)), random_affine(3, (256, 256))
    whole = warped(picture, matrix, (256, 256)).astype(int)
    for left, top, width, height in boxes((256, 256), 100):
        where = sources(Transform(matrix).points, (left, top, width, height))
        part = sample(reader(picture), (256, 256), where, fill=9).astype(int)
        there = whole[top : top + height, left : left + width]
        # coordinates are rounded to 1/32 px relative to what was read
        assert np.abs(part - there).max() <= 4


def test_a_reduced_pixel_lies_in_the_middle_of_its_pixels() -> None:
    assert move(shrinking((2, 4)), np.array([[0.0, 0.0], [1.0, 1.0]])).tolist() == [
        [0.5, 1.5],
        [2.5, 5.5],
    ]


def test_a_matrix_is_taken_apart() -> None:
    assert parts_of(similarity(-25, 0.8, (3, 4), (9, 9))) == pytest.approx((-25, 0.8, 0), abs=1e-9)


def test_a_transform_is_read_as_it_was_written(tmp_path: Path) -> None:
    amount = nuclei(0, 128)
    pictures = [nuclear_channel(f(amount)) for f in (brightfield, fluorescence)]
    matrix = random_affine(1, (128, 128))
    bending = bend(*pictures, np.eye(3), 3, Refinement(samples=5000, iterations=3))
    points = np.random.default_rng(0).uniform(0, 250, (50, 2))
    for transform in (Transform(matrix), Transform(matrix, (2.0, 2.0), bending)):
        bending.write(tmp_path / "bspline.tfm")
        path = tmp_path / "transform.json"
        path.write_bytes(orjson.dumps(transform.facts()))
        assert np.allclose(read_transform(path).points(points), transform.points(points), atol=1e-3)
    there = np.array(transform.facts()["fixed_from_moving"])
    assert np.allclose(move(there, move(matrix, points)), points)


@pytest.mark.parametrize("text", ["", "{}", '{"format": "other"}', '{"format": 1, "bspline": 2}'])
def test_what_is_no_transform_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(UnreadableFileError, match=r"t\.json"):
        read_transform(path)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "0 points"),
        (HEAD + "1,2,3,4\n", "1 points"),
        ("x,y\n1,2\n", "expected fixed_x"),
        (HEAD + "1,2,3,4\n5,6,seven,8\n9,9,9,9\n", "line 3"),
        (HEAD + "1,2,3,4\n5,6,,8\n9,9,9,9\n", "line 3"),
        (HEAD + "1,2,3\n5,6,7,8\n9,9,9,9\n", "line 2"),
        (HEAD + "1,2,3,nan\n5,6,7,8\n9,1,9,9\n", "finite"),
        (HEAD + "1,1,3,4\n2,2,7,8\n3,3,9,1\n", "fixed picture lie on one line"),
        (HEAD + "1,1,3,3\n2,7,7,7\n3,3,9,9\n", "moving picture lie on one line"),
    ],
)
def test_bad_landmarks_are_refused_in_words(text: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "marks.csv"
    path.write_text(text)
    with pytest.raises(UnreadableFileError, match=what):
        read_landmarks(path)


def test_landmarks_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"none\.csv"):
        read_landmarks(tmp_path / "none.csv")


def test_landmarks_give_their_affine_and_the_one_that_is_off(tmp_path: Path) -> None:
    truth = random_affine(5, (256, 256))
    path = tmp_path / "marks.csv"
    path.write_text(landmarks_csv(truth, [(10, 20), (200, 30), (40, 220), (210, 190), (99, 99)]))
    marks = read_landmarks(path)
    assert np.allclose(fit_affine(marks.fixed, marks.moving), truth, atol=1e-9)
    assert left_out_errors(marks).max() < 1e-6
    off = marks.moving.copy()
    off[4] += (0, 12)
    assert int(left_out_errors(Landmarks(marks.fixed, off)).argmax()) == 4
    assert left_out_errors(Landmarks(marks.fixed, off))[4] == pytest.approx(12)


def test_three_landmarks_leave_none_to_measure_by() -> None:
    three = np.array([[0.0, 0], [9, 0], [0, 9]])
    assert np.isnan(left_out_errors(Landmarks(three, three))).all()


def test_blocks_tell_how_far_off_a_picture_lies() -> None:
    amount = nuclei(0)
    whole = np.ones(amount.shape, bool)
    assert not block_shifts(amount, amount, whole, Limits()).any()
    shifted = np.roll(amount, (3, -7), axis=(0, 1))
    shifts = block_shifts(amount, shifted, whole, Limits())
    assert np.median(shifts, axis=0).tolist() == [7, -3]
    assert not len(block_shifts(amount, np.zeros_like(amount), whole, Limits()))
    assert not len(block_shifts(amount, amount, np.zeros_like(whole), Limits()))


def test_mutual_information_sees_what_correlation_does_not() -> None:
    values = np.random.default_rng(0).random(20_000)
    folded = np.abs(values - 0.5) * 2
    assert mutual_information(values, folded) > 2
    assert mutual_information(values, np.random.default_rng(1).random(20_000)) < 0.15


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"overlap": 0.1}, "overlap"),
        ({"blocks": 2}, "almost empty"),
        ({"agreeing": 0.3}, "lie best"),
        ({"contrast": 1.1}, "unlike"),
        ({"restart": 9.0}, "two starts"),
    ],
)
def test_each_limit_has_its_complaint(change: dict[str, float], word: str) -> None:
    assert complaints(GOOD, np.eye(3), Limits()) == []
    (text,) = complaints(Quality(**{**vars(GOOD), **change}), np.eye(3), Limits())
    assert word in text


@pytest.mark.parametrize("matrix", [np.diag([3.0, 3, 1]), np.diag([-1.0, 1, 1])])
def test_an_absurd_matrix_is_complained_of(matrix: Array) -> None:
    assert "not believable" in complaints(GOOD, matrix, Limits())[0]


def test_the_channel_of_nuclei_follows_the_picture() -> None:
    amount = nuclei(0)
    light = brightfield(amount)
    gray = np.repeat(light.mean(axis=-1, keepdims=True).astype(np.uint8), 3, axis=-1)
    kinds = {"hematoxylin": light, "density": gray, "brightness": fluorescence(amount)}
    for kind, picture in kinds.items():
        assert kind_of(picture) == kind
        channel = nuclear_channel(picture)
        assert np.corrcoef(channel.ravel(), amount.ravel())[0, 1] > 0.9
    only_blue = np.zeros_like(light)
    only_blue[..., 2] = fluorescence(amount)[..., 0]
    assert nuclear_channel(only_blue, "blue").max() == 1
    assert nuclear_channel(only_blue, "red").max() == 0
    with pytest.raises(ValueError, match="expected one of auto"):
        nuclear_channel(light, "dapi")
