import numpy as np
import pytest
import torch
from torch import Tensor

from histoseg.metrics import PointScores

CLASSES = ("stroma", "epithelium")
PRED = ("connective", "epithelial", "dead")
CLASS_OF = {"connective": "stroma", "epithelial": "epithelium"}


def predicted(*squares: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Label and class maps (1, 60, 60) with 3 x 3 squares about (x, y) of a class."""
    labels, kinds = torch.zeros(1, 60, 60).long(), torch.zeros(1, 60, 60).long()
    for number, (x, y, kind) in enumerate(squares, start=1):
        labels[0, y - 1 : y + 2, x - 1 : x + 2] = number
        kinds[0, y - 1 : y + 2, x - 1 : x + 2] = kind
    return labels, kinds


def points(*rows: tuple[float, float, int]) -> Tensor:
    return torch.tensor(rows).float().reshape(1, -1, 3)


def test_pairs_are_counted_in_micrometres() -> None:
    labels, kinds = predicted((20, 20, 1))
    for mpp, found in ((0.25, 1), (0.5, 0), (0.2, 1)):  # 12, 6 and 15 px
        metric = PointScores(CLASSES, PRED, CLASS_OF)
        metric.update(points((30, 20, 1)), torch.tensor([mpp]), labels, kinds)
        assert float(metric.compute()["recall"]) == found


def test_classes_are_compared_by_the_map_and_by_equal_names() -> None:
    metric = PointScores(CLASSES, (*PRED, "stroma"), CLASS_OF)
    # right, right by name, wrong, a class that leads nowhere, missed, invented
    labels, kinds = predicted((10, 10, 2), (20, 10, 4), (30, 10, 1), (40, 10, 3), (50, 50, 1))
    truth = points((10, 10, 2), (20, 11, 1), (30, 10, 2), (40, 10, 1), (5, 50, 2))
    metric.update(truth, torch.tensor([0.5]), labels, kinds)
    scores = {name: float(value) for name, value in metric.compute().items()}
    assert scores["f1_detection"] == pytest.approx(2 * 4 / (2 * 4 + 1 + 1))
    assert scores["precision"] == scores["recall"] == pytest.approx(4 / 5)
    assert scores["type_accuracy"] == pytest.approx(2 / 4)
    # 2 TP / (2 TP + 2 FP + 2 FN + unpaired), the weights of Graham et al.
    assert scores["f1_epithelium"] == pytest.approx(2 / (2 + 2 * 0 + 2 * 1 + 0 + 1))
    assert scores["f1_stroma"] == pytest.approx(2 / (2 + 2 * 1 + 2 * 1 + 1 + 0))


def test_without_comparable_classes_only_detection_is_scored() -> None:
    metric = PointScores(CLASSES, PRED)
    labels, kinds = predicted((10, 10, 2))
    metric.update(points((10, 10, 1), (40, 40, 2)), torch.tensor([0.25]), labels, kinds)
    scores = {name: float(value) for name, value in metric.compute().items()}
    assert scores == {"f1_detection": pytest.approx(2 / 3), "precision": 1, "recall": 0.5}


def test_a_gate_before_the_pairing_finds_pairs_that_the_smallest_sum_gives_away() -> None:
    """One point has a prediction on it; paired with its other neighbour both would have one."""
    labels, kinds = predicted((22, 10, 1), (22, 21, 1))
    truth = points((10, 10, 1), (22, 10, 1))[0].numpy()
    for gate, found in (("after", 0.5), ("before", 1.0)):
        metric = PointScores(CLASSES, PRED, CLASS_OF, gate=gate)  # type: ignore[arg-type]
        counts = metric.count(truth, 0.25, labels[0].numpy(), kinds[0].numpy())
        assert metric.scores(counts)["recall"] == found
        empty = metric.count(truth[:0], 0.25, labels[0].numpy(), kinds[0].numpy())
        assert empty.sum() == 2, "no point at (0, 0) stands for none"
    with pytest.raises(ValueError, match=r"points\.gate=never: expected one of after, before"):
        PointScores(CLASSES, gate="never")  # type: ignore[arg-type]


def test_images_without_points_or_predictions_are_no_special_case() -> None:
    metric = PointScores(CLASSES, PRED, CLASS_OF)
    empty = torch.zeros(1, 8, 8).long()
    metric.update(torch.zeros(1, 0, 3), torch.tensor([0.25]), empty, empty)
    assert np.isnan(float(metric.compute()["f1_detection"]))
    metric.update(points((3, 3, 1)), torch.tensor([0.25]), empty, empty)
    assert float(metric.compute()["recall"]) == 0
    labels, kinds = predicted((10, 10, 2))
    metric.update(torch.zeros(1, 0, 3), torch.tensor([0.25]), labels, kinds)
    assert float(metric.compute()["precision"]) == 0


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"leads to \['gland'\]; the points have \['stroma'"):
        PointScores(CLASSES, PRED, {"epithelial": "gland"})
    metric = PointScores(CLASSES, PRED, CLASS_OF)
    labels, kinds = predicted((10, 10, 2))
    with pytest.raises(ValueError, match=r"set data\.mpp"):
        metric.update(points((1, 1, 1)), torch.tensor([float("nan")]), labels, kinds)
    with pytest.raises(ValueError, match="points have class 3"):
        metric.update(points((1, 1, 3)), torch.tensor([0.5]), labels, kinds)
