import math

import numpy as np
import pytest
from scipy.stats import binomtest

from histoseg.analysis import Grades, Region, h_score, wilson


@pytest.mark.parametrize(
    ("positive", "counted"), [(0, 5), (5, 5), (1, 7), (37, 500), (9999, 10_000)]
)
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_wilson_is_that_of_scipy(positive: int, counted: int, confidence: float) -> None:
    expected = binomtest(positive, counted).proportion_ci(confidence, method="wilson")
    share, low, high = wilson(positive, counted, confidence)
    assert share == positive / counted
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_nothing_counted_is_unknown() -> None:
    assert all(math.isnan(v) for v in wilson(0, 0))
    assert math.isnan(h_score(Grades(0, 0, 0, 0)))


def test_h_score_reaches_from_0_to_300() -> None:
    assert h_score(Grades(7, 0, 0, 0)) == 0
    assert h_score(Grades(0, 0, 0, 7)) == 300
    assert h_score(Grades(10, 20, 30, 40)) == 20 + 60 + 120


def test_a_region_with_a_hole_and_a_part_apart() -> None:
    def square(left: float, top: float, side: float) -> np.ndarray:
        return np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * side + [left, top]

    region = Region("r", (square(0, 0, 10), square(2, 2, 4), square(20, 0, 5)))
    assert region.area() == 100 - 16 + 25
    points = np.array([[1, 1], [3, 3], [8, 8], [22, 2], [15, 2], [-1, 4]])
    assert region.contains(points).tolist() == [True, False, True, True, False, False]
