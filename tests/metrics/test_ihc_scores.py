"""The scores of Seg pictures over batches."""

import numpy as np
import pytest
import torch
from torch import Tensor

from fakes.seg import BLUE, seg_picture
from histoseg.contracts import Array
from histoseg.metrics import IHCScores
from histoseg.metrics.functional.ihc_cells import cleaned_masks, drawn_masks, ihc_scores


def pure(seg: Array) -> Array:
    """As a person would draw it."""
    masks = cleaned_masks(seg)
    drawn = np.zeros_like(seg)
    drawn[masks.positive], drawn[masks.negative] = (255, 0, 0), (0, 0, 255)
    return drawn


def batch(*pictures: Array) -> dict[str, Tensor]:
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return {"seg": pixels.float() / 255, "marker": torch.zeros(1)}


def test_the_mean_over_images() -> None:
    truths = [seg_picture((120, 120), 4, 6, seed) for seed in (0, 1, 2)]
    preds = [t.copy() for t in truths]
    preds[1][:60] = 0
    preds[2][60:] = np.where(truths[2][60:, :, :1] > 100, np.array(BLUE), truths[2][60:])
    drawn = [pure(t) for t in truths]
    scores = IHCScores()
    scores.update(batch(*drawn[:2]), batch(*preds[:2]))
    scores.update(batch(drawn[2]), batch(preds[2]))
    found = scores.compute()
    each = [ihc_scores(drawn_masks(d), cleaned_masks(p)) for d, p in zip(drawn, preds, strict=True)]
    for name in each[0]:
        expected = np.mean([one[name] for one in each])
        assert found[f"seg_{name}"].item() == pytest.approx(expected, rel=1e-6), name
    assert 0 < found["seg_iou"] < 1
    assert found["seg_percent_positive_difference"] > 0


def test_an_image_without_cells_says_nothing_of_them() -> None:
    black = batch(np.zeros((32, 32, 3), np.uint8))
    scores = IHCScores()
    scores.update(black, black)
    assert scores.compute()["seg_aji"].isnan()
    assert scores.compute()["seg_iou"] == 1


def test_what_does_not_fit_is_refused() -> None:
    good = batch(seg_picture((48, 48), 1, 1))
    with pytest.raises(ValueError, match="no 'seg'"):
        IHCScores().update(good, {"dapi": good["seg"]})
    with pytest.raises(ValueError, match=r"expected \(B, 3, H, W\)"):
        IHCScores().update(good, {"seg": good["seg"][:, :1]})
    with pytest.raises(ValueError, match="predicted"):
        IHCScores().update(good, {"seg": good["seg"][..., 1:]})
