"""DeepLIIF's scores of Seg pictures."""

from pathlib import Path

import numpy as np
import pytest

from deepliif_sample import pictures
from fakes.seg import seg_picture
from histoseg.contracts import Array
from histoseg.metrics.functional.ihc_cells import (
    NAMES,
    ClassMasks,
    aji_original,
    cleaned_masks,
    drawn_masks,
    ihc_scores,
    percent_positive,
    pixel_scores,
)
from histoseg.metrics.functional.overlap import overlap
from histoseg.postprocess import DeepLIIFCells
from histoseg.postprocess.deepliif_drawing import class_mask, refined
from histoseg.slides.image import read_image

MEASURED = {  # with the original's formulas: IoU, precision, recall, Dice, accuracy, AJI; mean
    "22_2": (63.015, 79.281, 77.142, 77.250, 93.621, 61.274),
    "6_2": (40.507, 53.939, 70.007, 55.393, 92.821, 45.526),
}
COLUMNS = ("iou", "precision", "recall", "dice", "pixel_accuracy", "aji_original")


def scored(shared_data: Path, name: str) -> dict[str, float]:
    cells = DeepLIIFCells()
    found = cells.find_in(pictures(shared_data, name)["seg"])
    called = cells.called(found, cells.settle([found.nuclei()]))
    mask = class_mask(called.labels, called.semantic, found.covered)
    truth = read_image(shared_data / "deepliif_sample" / "test_groundtruth" / f"{name}.png")
    return ihc_scores(drawn_masks(truth), drawn_masks(refined(mask)))


@pytest.mark.parametrize("name", MEASURED)
def test_scores_of_the_original(name: str, shared_data: Path) -> None:
    scores = scored(shared_data, name)
    ours = [100 * scores[column] for column in COLUMNS]
    assert ours == pytest.approx(MEASURED[name], abs=0.0015), "three decimals, some cut off"


def test_scores_of_each_class_of_the_original(shared_data: Path) -> None:
    scores = scored(shared_data, "22_2")
    for kind, expected in (
        ("positive", (59.353, 74.493, 68.008)),
        ("negative", (66.677, 80.007, 54.541)),
    ):
        ours = [100 * scores[f"{s}_{kind}"] for s in ("iou", "dice", "aji_original")]
        assert ours == pytest.approx(expected, abs=0.0006)


def test_a_perfect_prediction() -> None:
    masks = cleaned_masks(seg_picture((120, 120), 4, 6))
    scores = ihc_scores(masks, masks)
    assert tuple(scores) == NAMES
    assert scores.pop("percent_positive_difference") == 0
    assert set(scores.values()) == {1.0}
    assert percent_positive(masks) == 40


def test_missed_cells_are_free_in_the_aji_of_the_original_only() -> None:
    true = np.zeros((8, 8), np.int32)
    true[:2, :2], true[4:, 4:] = 1, 2
    pred = np.where(true == 1, 5, 0)
    missed = ClassMasks(true > 0, true > 0), ClassMasks(pred > 0, pred > 0)
    assert ihc_scores(*missed)["aji"] == 4 / 20
    assert ihc_scores(*missed)["aji_original"] == 1


def plain_aji(true: Array, pred: Array) -> float:
    """The original's rule, object by object."""
    used: set[int] = set()
    common = union = 0
    for one in range(1, true.max() + 1):
        inside = true == one
        best = {p: int((inside & (pred == p)).sum()) for p in range(1, pred.max() + 1)}
        best = {p: n for p, n in best.items() if n and p not in used}
        if best:
            p = max(best, key=lambda p: (best[p], -p))
            used.add(p)
            common += best[p]
            union += int((inside | (pred == p)).sum())
    union += sum(int((pred == p).sum()) for p in range(1, pred.max() + 1) if p not in used)
    return common / union


@pytest.mark.parametrize("seed", range(5))
def test_the_aji_of_the_original_object_by_object(seed: int) -> None:
    random = np.random.default_rng(seed)
    maps = [random.integers(0, 7, (6, 6)).repeat(3, 0).repeat(3, 1) for _ in range(2)]
    assert aji_original(overlap(*maps)) == pytest.approx(plain_aji(*maps))


def test_nothing_common_and_nothing_at_all() -> None:
    some, none = np.eye(3, dtype=bool), np.zeros((3, 3), bool)
    assert set(pixel_scores(some, none).values()) == {0.0}
    assert set(pixel_scores(none, none).values()) == {1.0}
    empty = ClassMasks(none, none)
    assert np.isnan(ihc_scores(empty, empty)["aji"])
    half = ClassMasks(some, none)
    assert ihc_scores(half, half)["aji"] == 1
    assert ihc_scores(half, empty)["aji_original"] == 0
    assert ihc_scores(half, empty)["percent_positive_difference"] == 100


def test_a_seg_of_a_network_is_cleaned() -> None:
    seg = np.zeros((40, 60, 3), np.uint8)
    seg[5:15, 5:15] = (200, 0, 0)
    seg[5:15, 5:9] = (0, 0, 200)
    seg[5:15, 30:40] = (101, 99, 101)
    seg[25:32, 5:12] = (200, 0, 0)
    seg[25:35, 30:40] = (200, 100, 0)
    positive, negative = cleaned_masks(seg)
    assert positive.sum() == 200, "49 px and green ones are none, a draw is positive"
    assert positive[5:15, 5:15].all()
    assert positive[5:15, 30:40].all()
    assert not negative.any()


def test_other_sizes_are_refused() -> None:
    small, large = (ClassMasks(np.ones((n, 3), bool), np.ones((n, 3), bool)) for n in (2, 3))
    with pytest.raises(ValueError, match="equal sizes"):
        ihc_scores(small, large)
