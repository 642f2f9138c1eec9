import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from fakes.discs import discs
from histoseg.contracts import Report
from histoseg.metrics.functional import image_scores, overlap, pannuke_scores
from histoseg.metrics.report import compare, report
from histoseg.metrics.tallies import Tallies, stack
from histoseg.metrics.tally import Tally, plane_counts, tally, without_classes

CLASSES = ("a", "b")


def value(found: Report, name: str, average: str, group: str = "overall", of: str = "") -> float:
    (score,) = [
        s for s in found.scores if (s.group, s.of, s.name, s.average) == (group, of, name, average)
    ]
    return score.value


def strip(*ids: int) -> np.ndarray:
    """One row of pixels, four of each id."""
    return np.repeat(np.array([ids]), 4, axis=1)


@pytest.fixture
def three() -> Tallies:
    """Two images of a tissue and one of another, small enough to score by hand."""
    kinds = np.array([0, 1, 1, 2, 2])
    true, pred = strip(1, 0, 2, 0, 3), strip(1, 0, 0, 4, 3)
    first = tally(true, pred, kinds[true], np.array([0, 1, 1, 1, 2])[pred], classes=2)
    true, pred = strip(1, 0, 0), strip(1, 0, 4)
    second = tally(true, pred, kinds[true], kinds[pred], classes=2)
    empty = strip(0, 0, 0)
    third = tally(empty, strip(1, 0, 0), empty, strip(2, 0, 0), classes=2)
    return stack([first, second, third], ["x", "y", "z"], CLASSES, ["skin", "skin", "colon"])


def test_every_average_by_hand(three: Tallies) -> None:
    found = report(three, bootstrap=0)
    near = pytest.approx
    # x: 3 annotated, 3 predicted, 2 found; y: 1, 2, 1; z: none annotated, one predicted
    assert value(found, "pq", "image mean") == near((2 / 3 + 2 / 3 + 0) / 3, abs=1e-5)
    assert value(found, "bpq", "image mean") == near(2 / 3, abs=1e-5), "z says nothing"
    assert value(found, "bpq", "tissue mean") == near(2 / 3, abs=1e-5), "nor does colon"
    assert value(found, "pq", "pooled") == near(3 / ((4 + 6) / 2), abs=1e-5)
    # class a: x 2 annotated, 2 predicted, 1 found; y 1, 1, 1. b: x 1, 1, 0; y and z only predicted
    pq_a, pq_b = (1 / 2, 1.0), (0.0,)
    assert value(found, "pq", "image mean", "class", "a") == near(sum(pq_a) / 2, abs=1e-5)
    assert value(found, "pq", "image mean", "class", "b") == near(sum(pq_b), abs=1e-5)
    assert value(found, "mpq", "image mean") == near(((1 / 2 + 0) / 2 + 1) / 2, abs=1e-5)
    assert value(found, "mpq", "class mean") == near((sum(pq_a) / 2 + 0) / 2, abs=1e-5)
    plus_a, plus_b = 2 / ((3 + 3) / 2), 0.0
    assert value(found, "pq", "pooled", "class", "a") == near(plus_a, abs=1e-5)
    assert value(found, "mpq_plus", "pooled") == near((plus_a + plus_b) / 2, abs=1e-5)
    assert value(found, "pq", "image mean", "tissue", "colon") == 0
    assert math.isnan(value(found, "bpq", "image mean", "tissue", "colon"))
    assert value(found, "ap_50", "pooled") == near(3 / (4 + 6 - 3))
    assert value(found, "precision_75", "pooled") == near(3 / 6)
    assert value(found, "recall_75", "pooled") == near(3 / 4)
    assert value(found, "f1_95", "pooled") == near(6 / 10)
    assert value(found, "ap_50_95", "image mean") == near((2 / 4 + 1 / 2 + 0) / 3)


def test_the_example_has_the_classes_that_the_hand_says(three: Tallies) -> None:
    assert three.panoptic[:, 1, :3].tolist() == [[2, 2, 1], [1, 1, 1], [0, 0, 0]]
    assert three.panoptic[:, 2, :3].tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]


def test_numbers_say_what_they_are_over(three: Tallies) -> None:
    found = report(three, bootstrap=0)
    n = {(s.name, s.average): (s.n, s.unit) for s in found.scores if s.group == "overall"}
    assert n["pq", "image mean"] == (3, "images")
    assert n["bpq", "image mean"] == (2, "images")
    assert n["bpq", "tissue mean"] == (1, "tissues")
    assert n["mpq", "class mean"] == (2, "classes")
    assert n["pq", "pooled"] == (4, "nuclei")
    assert [row["image"] for row in found.images] == ["x", "y", "z"]
    assert found.images[2]["pred_nuclei"] == 1
    assert found.settings["images"] == 3


def test_a_row_is_what_an_image_alone_scores() -> None:
    _, true = discs(0, 64, 64, 9)
    _, pred = discs(1, 64, 64, 7)
    kinds, pred_kinds = (m % 2 + (m > 0) for m in (true, pred))
    row = stack([tally(true, pred, kinds, pred_kinds, classes=2)], ["i"], CLASSES).rows()[0]
    alone = image_scores(true, pred, kinds, pred_kinds, CLASSES)
    for name, expected in alone.items():
        assert row[name] == pytest.approx(expected, nan_ok=True), name


def test_intervals_hold_the_score_and_shrink_with_images() -> None:
    many = stack([_tally(seed) for seed in range(40)], [str(i) for i in range(40)], CLASSES)
    found, again = report(many, seed=3), report(many, seed=3)
    assert found.scores == again.scores
    width = {}
    for s in found.scores:
        if not math.isnan(s.value):
            assert s.low <= s.value + 1e-9, s
            assert s.value - 1e-9 <= s.high, s
            width[s.group, s.of, s.name, s.average] = s.high - s.low
    narrow = report(many, confidence=0.5)
    for s in narrow.scores:
        if s.name == "pq" and s.average == "image mean" and not s.of:
            assert s.high - s.low < width[s.group, s.of, s.name, s.average]
    one = stack([_tally(0)], ["0"], CLASSES)
    assert all(math.isnan(s.low) for s in report(one).scores), "one image has no spread"


def _tally(seed: int, worse: int = 0) -> Tally:
    _, true = discs(seed, 64, 64, 8)
    rng = np.random.default_rng(seed)
    pred = np.roll(true, tuple(rng.integers(-1, 2, 2) * (1 + worse)), axis=(0, 1))
    kinds = np.where(true > 0, 1 + true % 2, 0)
    return tally(true, pred, kinds, np.where(pred > 0, 1 + (pred + (pred == 3)) % 2, 0), classes=2)


def test_identical_models_do_not_differ() -> None:
    many = stack([_tally(seed) for seed in range(6)], list("uvwxyz"), CLASSES)
    for d in compare(many, many, bootstrap=200):
        if not math.isnan(d.first.value):
            assert d.value == 0
            assert d.p_permutation == 1
            assert d.low == pytest.approx(0, abs=1e-12)
            assert d.high == pytest.approx(0, abs=1e-12)
            assert d.p_wilcoxon == 1 or math.isnan(d.p_wilcoxon)


def test_a_worse_model_is_found_worse_by_every_average() -> None:
    names = [str(i) for i in range(25)]
    tissues = ["skin", "colon", "skin", "lung", "colon"] * 5
    good, bad = (
        stack([_tally(i, worse) for i in range(25)], names, CLASSES, tissues) for worse in (0, 2)
    )
    found = {
        (d.first.name, d.first.average): d
        for d in compare(good, bad, bootstrap=400)
        if d.first.group == "overall"
    }
    for key in (("pq", "image mean"), ("bpq", "tissue mean"), ("mpq_plus", "pooled")):
        d = found[key]
        assert d.value == pytest.approx(d.second.value - d.first.value)
        assert d.high < 0
        assert d.p_permutation < 0.01
        assert d.n == 25
    assert found["pq", "image mean"].p_wilcoxon < 0.001
    assert math.isnan(found["mpq_plus", "pooled"].p_wilcoxon)
    alone = report(bad, bootstrap=0)
    for (name, average), d in found.items():
        if not math.isnan(d.second.value):
            assert d.second.value == value(alone, name, average)
            assert d.second.n > 0


def test_models_are_compared_on_the_same_images_only() -> None:
    here, there = (stack([_tally(0)], [name], CLASSES) for name in "ab")
    with pytest.raises(ValueError, match="the same images"):
        compare(here, there)
    with pytest.raises(ValueError, match="no image"):
        stack([], [], CLASSES)


def test_classes_can_be_numbered_as_they_are_found() -> None:
    true = strip(1, 0, 2)
    one, two = (tally(true, true, (true > 0) * k, (true > 0) * k) for k in (1, 3))
    found = stack([one, two], ["i", "j"], None)
    assert found.classes == ("1", "2", "3")
    assert report(found, bootstrap=0).confusion.tolist()[2][2] == 2
    with pytest.raises(ValueError, match="a nucleus of class 3, but 2 classes"):
        tally(true, true, (true > 0) * 3, true, classes=2)
    plain = without_classes(two)
    assert plain.confusion.tolist() == tally(true, true).confusion.tolist()
    assert plain.panoptic.tolist() == tally(true, true).panoptic.tolist()


def test_planes_that_overlap_are_scored_each_by_itself() -> None:
    low, high = np.zeros((2, 6, 6), dtype=int)
    low[:4, :4], high[2:, 2:] = 1, 1
    merged = np.where(high > 0, 2, low)
    kinds = np.array([0, 1, 2])[merged]
    counts = tally(merged, merged, kinds, kinds, classes=2)
    rows = plane_counts(np.stack([low, high]), np.stack([low, 0 * high]))
    assert rows.tolist() == [[1, 1, 1, 1.0], [1, 0, 0, 0.0]]
    apart = replace(counts, panoptic=np.concatenate([counts.panoptic[:1], rows]))
    scores = pannuke_scores(apart.panoptic, CLASSES)
    assert scores["pq_a"] == pytest.approx(1, abs=1e-5)
    assert scores["pq_b"] == 0
    assert float(overlap(low, merged).iou[0]) < 1, "merged, it would have lost a corner"


def test_official_printouts_over_six_tiles(shared_data: Path) -> None:
    folder = shared_data / "golden_hovernet_public"
    counts = []
    paths = sorted((folder / "type_true").glob("*.mat"))
    for path in paths:
        sides = [loadmat(folder / side / path.name) for side in ("type_true", "type_pred")]
        maps = [side["inst_map"] for side in sides]
        kinds = [
            np.concatenate([[0], side["inst_type"][:, 0]])[np.searchsorted(np.unique(m), m)]
            for side, m in zip(sides, maps, strict=True)
        ]
        counts.append(tally(*maps, *kinds))
    found = report(stack(counts, [p.stem for p in paths], None), bootstrap=0)
    golden = json.loads((folder / "golden.json").read_text())
    printed = golden["__type_stat_all_images"]["printed"].strip("[] ").split()
    ours = [value(found, name, "pooled") for name in ("f1_detection", "type_accuracy")]
    ours += [value(found, "f1", "pooled", "class", str(k)) for k in (1, 2, 3, 4)]
    assert [f"{number:.5f}" for number in ours] == printed
    (line,) = golden["__inst_stat_all_images"]["printed"]
    order = golden["__inst_stat_all_images"]["order"].split(", ")
    ours = [value(found, name, "image mean") for name in order]
    assert [f"{number:.5f}" for number in ours] == line.strip("[] ").split()
