import numpy as np
import pytest
import torch

from histoseg.contracts import Array
from histoseg.metrics import ObjectThreshold, StrokeThreshold


def test_the_middle_of_what_parts_strokes() -> None:
    tuned = StrokeThreshold(2)
    probability = torch.tensor([[[0.9, 0.8, 0.1, 0.3, 0.99], [0.05, 0.1, 0.6, 0.2, 0.0]]])
    strokes = torch.zeros(1, 3, 5, dtype=torch.bool)
    strokes[0, 0, :2] = strokes[0, 1, 2] = strokes[0, 2, 3] = True  # the last pixel says nothing
    tuned.update(probability, strokes)
    assert tuned.compute().tolist() == pytest.approx([0.55, 0.4], abs=0.01)


def test_where_strokes_err_most_are_on_the_right_side() -> None:
    torch.manual_seed(0)
    own, other = 0.7 + 0.1 * torch.randn(4000), 0.3 + 0.1 * torch.randn(2000)
    values = torch.cat([own, other]).clamp(0, 1)[None, None]
    strokes = torch.zeros(1, 2, 6000, dtype=torch.bool)
    strokes[0, 0, :4000] = strokes[0, 1, 4000:] = True
    tuned = StrokeThreshold(1)
    tuned.update(values[..., :3000], strokes[..., :3000])
    tuned.update(values[..., 3000:], strokes[..., 3000:])
    assert tuned.compute().item() == pytest.approx(0.5, abs=0.06)


def test_without_strokes_on_both_sides_nothing_is_known() -> None:
    tuned = StrokeThreshold(1)
    tuned.update(torch.rand(1, 1, 9), torch.tensor([[[True] * 9, [False] * 9]]))
    assert tuned.compute().isnan().all()


def test_the_threshold_that_finds_objects() -> None:
    truth = np.zeros((20, 20), np.int64)
    truth[2:8, 2:8], truth[2:8, 9:15] = 1, 2
    probability = np.where(truth > 0, 0.9, 0.1)[None]
    probability[0, 2:8, 8] = 0.6  # below this they are one

    def find(values: Array, threshold: float) -> Array:
        cut = values[0] > threshold
        return np.where(cut & (np.arange(20) > 8), 2, cut.astype(int)) if not cut[4, 8] else 1 * cut

    tuned = ObjectThreshold()
    tuned.update(torch.from_numpy(truth), probability, find)
    assert tuned.compute().item() == pytest.approx(0.75)
    empty = ObjectThreshold()
    empty.update(torch.zeros(20, 20, dtype=torch.long), probability, find)
    assert empty.compute().isnan()
