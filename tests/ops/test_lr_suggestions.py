import numpy as np
import pytest

from histoseg.ops.lr_suggestions import lr_suggestions

LRS = np.logspace(-7, 1, 100)


def curve(lowest: int = 60, fall: float = 0.05) -> np.ndarray:
    """Flat, then falling from point 30 to the lowest by equal steps, then rising steeply."""
    losses = np.full(100, 3.0)
    losses[30:] -= fall * np.arange(70)
    losses[lowest:] = losses[lowest] + 0.5 * np.arange(100 - lowest)
    return losses


def test_each_rule_on_a_made_curve() -> None:
    found = lr_suggestions(LRS, curve())
    # the fall has 31 points from 30 to 60; its start is one before: 29 + 10 + 5
    assert found["valley"] == pytest.approx(LRS[44])
    assert found["minimum"] == pytest.approx(LRS[60] / 10)
    assert LRS[30] <= found["steep"] <= LRS[60]
    # the window of 15 leaves the rise when its left end stands in it
    assert LRS[40] <= found["slide"] <= LRS[80]


def test_the_steepest_place_is_found() -> None:
    losses = curve()
    losses[45:60] -= 0.3
    assert lr_suggestions(LRS, losses)["steep"] in (pytest.approx(LRS[44]), pytest.approx(LRS[45]))


def test_points_that_are_not_finite_are_left_out() -> None:
    losses = curve()
    losses[20], losses[90:] = np.nan, np.inf
    assert all(np.isfinite(list(lr_suggestions(LRS, losses).values())))


def test_losses_may_be_negative() -> None:
    losses = curve()
    losses[45:60] -= 0.3  # one steepest place: equal slopes differ in their last bits
    assert lr_suggestions(LRS, losses - 10) == pytest.approx(lr_suggestions(LRS, losses))


def test_too_few_points_suggest_nothing() -> None:
    assert lr_suggestions(LRS[:7], curve()[:7]) == {}
