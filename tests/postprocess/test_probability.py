import numpy as np
import pytest

from histoseg.contracts import Array
from histoseg.postprocess import ProbabilityObjects


def hills() -> Array:
    """The probability of the specification, section 5.4."""
    y, x = np.mgrid[:40, :40].astype(float)

    def hill(height: float, row: int, column: int, width: float) -> Array:
        return np.asarray(height * np.exp(-((y - row) ** 2 + (x - column) ** 2) / width))

    total = hill(1.2, 12, 12, 60) + hill(1.2, 14, 30, 40) + hill(0.9, 33, 20, 3)
    return total.clip(0, 1)[None].astype(np.float32)


@pytest.mark.parametrize(
    ("threshold", "grow", "sizes"),
    [(0.8, 2, [162, 139]), (0.7, 2, [205, 162]), (0.5, 0, [174, 116])],
)
def test_the_reference_finds_the_same(threshold: float, grow: int, sizes: list[int]) -> None:
    find = ProbabilityObjects("cells", threshold, grow=grow, growth="square")
    found = find({"cells": hills()})
    assert np.bincount(found.labels.ravel())[1:].tolist() == sizes


def test_a_lone_pixel_grows_and_the_higher_number_wins() -> None:
    probability = np.zeros((1, 9, 12), np.float32)
    probability[0, 4, [3, 7]] = 1
    find = ProbabilityObjects("x", min_size=0, growth="square")
    labels = find({"x": probability}).labels
    assert np.bincount(labels.ravel())[1:].tolist() == [20, 25]
    assert (labels[4, 1:10] == [1, 1, 1, 1, 2, 2, 2, 2, 2]).all()


def test_growing_keeps_a_gap_where_two_meet_halfway() -> None:
    labels = ProbabilityObjects("x", 0.7, grow=3)({"x": hills()}).labels
    assert set(np.unique(labels)) == {0, 1, 2}
    assert (labels > 0).sum() > (hills() > 0.7).sum()


def test_the_watershed_cuts_touching_objects() -> None:
    y, x = np.mgrid[:40, :60]
    touching = (np.hypot(y - 20, x - 20) < 10) | (np.hypot(y - 20, x - 37) < 10)
    maps = {"x": touching[None].astype(np.float32)}
    assert len(ProbabilityObjects("x")(maps)) == 1
    assert len(ProbabilityObjects("x", split="watershed")(maps)) == 2


def test_classes_share_no_pixel_and_the_likelier_wins() -> None:
    probability = np.zeros((2, 20, 20), np.float32)
    probability[0, 2:10, 2:10] = 0.4
    probability[1, 6:16, 2:10] = 0.5
    find = ProbabilityObjects("x", (0.3, 0.45), grow=0)
    found = find({"x": probability})
    assert found.semantic.tolist() == [1, 2]
    assert (found.semantic_map()[6:10, 2:10] == 2).all()
    assert ProbabilityObjects("x", 0.45, grow=1)({"x": probability}).semantic.tolist() == [2]


def test_holes_are_filled_if_asked() -> None:
    probability = np.zeros((1, 12, 12), np.float32)
    probability[0, 2:9, 2:9] = 1
    probability[0, 4:6, 4:6] = 0
    areas = [
        (ProbabilityObjects("x", fill=fill, grow=0)({"x": probability}).labels > 0).sum()
        for fill in (False, True)
    ]
    assert areas == [45, 49]


def test_nothing_is_found_in_nothing() -> None:
    for settings in ({}, {"split": "watershed"}, {"growth": "square"}):
        find = ProbabilityObjects("x", **settings)  # type: ignore[arg-type]
        assert len(find({"x": np.zeros((1, 5, 5), np.float32)})) == 0


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"threshold": 1.2}, "expected 0 to 1"),
        ({"split": "split"}, "components, watershed"),
        ({"growth": "disc"}, "expand, square"),
        ({"grow": -1}, "0 px or more"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ProbabilityObjects("x", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("maps", "match"),
    [
        ({"y": np.zeros((1, 4, 4))}, "no map 'x'"),
        ({"x": np.zeros((2, 4, 4))}, "a threshold for each class"),
        ({"x": np.full((1, 4, 4), np.nan)}, "not numbers"),
    ],
)
def test_maps_are_checked(maps: dict[str, Array], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ProbabilityObjects("x", (0.5,))(maps)
