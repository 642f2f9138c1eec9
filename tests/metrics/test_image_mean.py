import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from histoseg.metrics.image_mean import UNIT, fixed_point, means


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.randoms())
def test_sums_do_not_depend_on_the_order(scores: list[float], random: object) -> None:
    def total(values: list[float]) -> torch.Tensor:
        return sum(fixed_point([value])[0] for value in values)

    forward = total(scores)
    random.shuffle(scores)
    assert torch.equal(forward, total(scores))
    mean = means(forward, torch.tensor([len(scores)]))[0]
    np.testing.assert_allclose(mean, np.mean(scores), atol=UNIT)


def test_nan_is_left_out() -> None:
    units, number = fixed_point([0.5, math.nan])
    assert number.tolist() == [1, 0]
    half, nothing = means(units, number)
    assert half == 0.5
    assert math.isnan(nothing)
