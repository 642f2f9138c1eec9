import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from histoseg.contracts import Difference, Report, Score
from histoseg.slides import read_image
from histoseg.writers import (
    comparison_table,
    score_table,
    write_comparison,
    write_comparison_figure,
    write_score_figure,
    write_scores,
)

NAN = float("nan")


def score(name: str, average: str, value: float, group: str = "overall", of: str = "") -> Score:
    unit = "nuclei" if average == "pooled" else "images"
    return Score(group, of, name, average, value, value - 0.1, value + 0.1, 3, unit)


def made(classes: tuple[str, ...] = ("round", "very flat"), images: int = 3) -> Report:
    scores = [score("pq", "image mean", 0.5), score("pq", "pooled", 0.25)]
    scores += [score(f"ap_{p}", a, 0.9 - p / 200) for p in range(50, 100, 5) for a in ("pooled",)]
    for name in classes:
        scores += [score("pq", "image mean", 0.4, "class", name)]
        scores += [score(n, "pooled", 0.3, "class", name) for n in ("pq", "f1", "recall")]
    scores += [score("bpq", "image mean", NAN, "tissue", "skin")]
    row = {"image": "i", "tissue": "skin", "pq": 0.5, "dq": NAN, "sq": 0.6, "aji": 0.4, "dice": 1.0}
    rows = [{**row, "true_nuclei": 1200, "pred_nuclei": k} for k in range(images)]
    size = 2 + len(classes)
    settings = {"bootstrap": 1000, "confidence": 0.95, "drawn": "images", "draw_from": images}
    confusion = np.arange(size * size).reshape(size, size)
    return Report(tuple(scores), classes, tuple(rows), confusion, settings)


def test_the_table_is_grouped_and_aligned() -> None:
    text = score_table(made())
    first, _, header, pq, *_ = text.splitlines()
    assert first == (
        "3 images, 3,600 nuclei annotated, 3 predicted; in brackets 95 % of 1,000 bootstrap draws "
        "of 3 images"
    )
    assert header.split() == ["overall", "image", "mean", "pooled"]
    assert pq.index("0.5000 [0.400, 0.600]") == header.index("image mean")
    assert pq.index("0.2500 [0.150, 0.350]") == header.index("pooled")
    lines = text.splitlines()
    by_class = next(i for i, line in enumerate(lines) if line.startswith("by class"))
    named, averaged, row, flat = lines[by_class : by_class + 4]
    assert named.index("f1") == averaged.index("pooled", averaged.index("pooled") + 1)
    assert row.index("0.4000") == flat.index("0.4000") == averaged.index("image mean")
    assert flat.startswith("  very flat  3")
    skin = lines[-1].split()
    assert skin == ["skin", "3", "-"], "what says nothing is a dash"


def test_the_table_says_when_there_are_no_intervals() -> None:
    scores = tuple(replace(s, low=NAN, high=NAN) for s in made().scores)
    text = score_table(replace(made(), scores=scores))
    assert text.splitlines()[0].endswith("; no confidence intervals")
    assert "[" not in text


def test_files_hold_every_number_with_what_it_is(tmp_path: Path) -> None:
    write_scores(tmp_path, made())
    found = json.loads((tmp_path / "scores.json").read_text())
    expected = {"value": 0.25, "low": 0.15, "high": 0.35, "n": 3, "unit": "nuclei"}
    assert found["overall"]["pooled"]["pq"] == expected
    assert found["by_class"]["very flat"]["pooled"]["recall"]["value"] == 0.3
    assert found["by_tissue"]["skin"]["image mean"]["bpq"]["value"] is None
    assert found["confusion"]["labels"] == ["(no partner)", "(no class)", "round", "very flat"]
    assert found["settings"]["confidence"] == 0.95
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(made().scores)
    assert rows[-1]["value"] == ""
    with (tmp_path / "confusion.csv").open(newline="") as file:
        table = list(csv.reader(file))
    assert table[0] == ["annotated \\ predicted", *found["confusion"]["labels"]]
    assert table[-1] == ["very flat", "12", "13", "14", "15"]
    with (tmp_path / "images.csv").open(newline="") as file:
        assert [row["pred_nuclei"] for row in csv.DictReader(file)] == ["0", "1", "2"]


@pytest.mark.parametrize("classes", [(), ("round", "very flat"), tuple("abcdefgh")])
@pytest.mark.parametrize("images", [1, 3])
def test_a_figure_is_drawn_of_any_report(
    tmp_path: Path, classes: tuple[str, ...], images: int
) -> None:
    path = write_score_figure(tmp_path / "scores.png", made(classes, images), "a title")
    picture = read_image(path)
    assert picture.shape == (1170, 1560, 3)
    assert (picture < 128).any(axis=2).mean() > 0.005, "something is drawn"


def test_two_models(tmp_path: Path) -> None:
    one = score("pq", "image mean", 0.5)
    better = Difference(one, replace(one, value=0.75), 0.25, 0.125, 0.5, 0.0005, 0.04, 9)
    unknown = Difference(
        score("mpq", "tissue mean", NAN), score("mpq", "tissue mean", NAN), *[NAN] * 5, 9
    )
    text = comparison_table([better, unknown], ("old", "new"))
    assert "new minus old; n = 9 pairs" in text
    assert "0.5000  0.7500  +0.2500 [+0.125, +0.500]  <0.001      0.040" in text
    write_comparison(tmp_path, [better, unknown], ("old", "new"))
    (first, second) = json.loads((tmp_path / "comparison.json").read_text())["scores"]
    assert (first["difference"], first["p_wilcoxon"], first["n"]) == (0.25, 0.04, 9)
    assert second["difference"] is None
    with (tmp_path / "comparison.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["second"] == "0.75"
    path = write_comparison_figure(tmp_path / "c.png", [better, unknown], ("old", "new"))
    assert read_image(path).min() < 128
