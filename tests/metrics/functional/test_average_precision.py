import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from histoseg.metrics.functional import THRESHOLDS, average_precision, hits, overlap


def test_two_nuclei_found_half_and_whole() -> None:
    true = np.array([[1, 1, 1, 1, 0, 2, 2, 2, 2, 0]])
    pred = np.array([[7, 7, 7, 0, 0, 9, 9, 9, 9, 3]])
    found = hits(overlap(true, pred))
    assert THRESHOLDS[5] == 0.75
    assert found.tolist() == [2, 2, 2, 2, 2, 2, 1, 1, 1, 1], "an IoU of 0.75 reaches 0.75"
    scores = average_precision(found, np.array(2), np.array(3))
    assert scores[0] == 2 / 3
    assert scores[-1] == 1 / 4


def test_at_one_half_a_nucleus_is_found_once() -> None:
    table = overlap(np.array([[1, 1, 1, 1]]), np.array([[5, 5, 6, 6]]))
    assert hits(table, [0.5]).tolist() == [1]
    # 1 could take 5 or 6, 2 only 5: both are found
    table = overlap(np.array([[2, 1, 1]]), np.array([[5, 5, 6]]))
    assert hits(table, [0.3, 0.5]).tolist() == [2, 2]


def test_empty_maps_and_thresholds_outside() -> None:
    empty = np.zeros((3, 3), dtype=int)
    assert hits(overlap(empty, empty)).tolist() == [0] * 10
    assert np.isnan(average_precision(np.array(0), np.array(0), np.array(0)))
    assert average_precision(np.array(0), np.array(3), np.array(0)) == 0
    with pytest.raises(ValueError, match=r"\[0\]; expected above 0"):
        hits(overlap(empty, empty), [0, 0.5])


@pytest.mark.parametrize("shift", [0, 5, 10])
def test_rule_of_stardist_for_shifted_discs(shift: int) -> None:
    y, x = np.mgrid[:128, :128]
    true = np.zeros((128, 128), dtype=int)
    radius = 128 // 15
    for number, centre in enumerate(np.linspace(radius, 128 - 1 - radius, 5), start=1):
        true[(x - centre) ** 2 + (y - 64) ** 2 <= radius**2] = number
    table = overlap(true, np.roll(true, shift, axis=0))
    iou = table.iou.max()
    assert hits(table, [0.5 * iou]).tolist() == [5]
    if 2 * iou <= 1:
        assert hits(table, [2 * iou]).tolist() == [0]


def test_vector_of_cellseg_models(shared_data: Path) -> None:
    case = json.loads((shared_data / "golden_peers" / "metric_vectors.json").read_text())
    case = case["cellseg_14x14"]
    table = overlap(np.array(case["true"]), np.array(case["pred"]))
    found = int(hits(table, [0.5])[0])
    expected = case["expected"]
    assert found == expected["tp"]
    assert {len(table.pred) - found, len(table.true) - found} <= {expected["fp"], expected["fn"], 3}


def test_is_the_published_matching_on_random_maps() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        true, pred = rng.integers(0, 6, (2, 8, 8))
        table = overlap(true, pred)
        iou = np.zeros((len(table.true), len(table.pred)))
        iou[table.true_row, table.pred_row] = table.iou
        for threshold in (0.1, 0.2, 0.5, 0.8):
            cost = -(iou >= threshold).astype(float) - iou / (2 * min(iou.shape))
            rows, columns = linear_sum_assignment(cost)
            expected = int((iou[rows, columns] >= threshold).sum())
            assert hits(table, [threshold]).tolist() == [expected]
