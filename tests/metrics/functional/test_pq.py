import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from histoseg.metrics.functional import overlap, panoptic_quality
from metrics.functional.oracle import LABELS, plain_pq


@given(LABELS, LABELS)
def test_agrees_with_masks(true: np.ndarray, pred: np.ndarray) -> None:
    np.testing.assert_allclose(
        panoptic_quality(overlap(true, pred)), plain_pq(true, pred), atol=1e-12
    )


@given(LABELS, LABELS)
def test_symmetric_and_blind_to_names(true: np.ndarray, pred: np.ndarray) -> None:
    quality = panoptic_quality(overlap(true, pred))
    np.testing.assert_allclose(panoptic_quality(overlap(pred, true)), quality, atol=1e-12)
    names = np.array([0, 40, 8, 6, 0, 0, 0, 90, 0, 1])
    np.testing.assert_allclose(panoptic_quality(overlap(true, names[pred])), quality, atol=1e-12)


def test_shifted_discs_in_closed_form() -> None:
    """Five discs in a row, moved down: all found below their IoU, none above."""
    y, x = np.indices((128, 128))
    inside = (x % 25 - 12) ** 2 + (y - 64) ** 2 <= 64
    discs = np.where(inside & (x < 125), x // 25 + 1, 0)
    one = discs == 1
    for shift in (5, 10):
        moved = np.roll(discs, shift, axis=0)
        iou = (one & (moved == 1)).sum() / (one | (moved == 1)).sum()
        table = overlap(discs, moved)
        assert np.allclose(table.iou, iou)
        below, above = panoptic_quality(table, iou / 2), panoptic_quality(table, 2 * iou)
        assert (below.dq, above.dq) == (1, 0)
        assert below.sq == pytest.approx(iou, abs=1e-6)
        assert above.pq == 0


def test_vectors_of_monai(shared_data: Path) -> None:
    vectors = json.loads((shared_data / "golden_peers" / "metric_vectors.json").read_text())
    case = vectors["monai_4x4"]
    field = {"pq": "pq", "sq": "sq", "rq": "dq"}
    for expected in case["expected"]:
        table = overlap(np.array(case["gt"]), np.array(case[expected.get("pred", "pred")]))
        value = getattr(panoptic_quality(table, expected["iou"]), field[expected["metric"]])
        assert value == pytest.approx(expected["value"], abs=1e-6)


def test_vector_of_torchmetrics(shared_data: Path) -> None:
    """Things are instances, each stuff is one object; their scores are means over categories."""
    vectors = json.loads((shared_data / "golden_peers" / "metric_vectors.json").read_text())
    case = vectors["torchmetrics_pq"]
    qualities = []
    for category in (*case["things"], *case["stuffs"]):
        pair = []
        for key in ("target", "preds"):
            kind, number = np.moveaxis(np.array(case[key]), -1, 0)
            number = number + 1 if category in case["things"] else np.ones_like(number)
            pair.append(np.where(kind == category, number, 0))
        qualities.append(panoptic_quality(overlap(*pair)))
    dq, sq, pq = np.mean(qualities, axis=0)
    expected = case["expected"]
    assert pq == pytest.approx(expected["pq"], abs=1e-4)
    assert sq == pytest.approx(expected["sq"], abs=1e-4)
    assert dq == pytest.approx(expected["rq"], abs=1e-4)
