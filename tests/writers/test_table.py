import csv
from pathlib import Path

import numpy as np
import pytest

from histoseg.contracts import Prediction
from histoseg.writers import write_table
from histoseg.writers.columns import COLUMNS
from writers.drawn import CLASSES, hard_labels, prediction_of


def rows_of(tmp_path: Path, prediction: Prediction) -> list[dict[str, str]]:
    with write_table(tmp_path, prediction).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert tuple(reader.fieldnames or ()) == COLUMNS
    return rows


def test_one_row_for_each_nucleus(tmp_path: Path) -> None:
    prediction = prediction_of(hard_labels(), mpp=0.5)
    found = prediction.instances
    rows = rows_of(tmp_path, prediction)
    assert [int(row["id"]) for row in rows] == found.ids.tolist()
    assert [row["class"] for row in rows] == [("", *CLASSES)[k] for k in found.semantic]
    for row, key, (x, y) in zip(rows, found.ids, found.centroid_xy, strict=True):
        pixels = int((found.labels == key).sum())
        if key != 20:  # its pixels meet at corners only
            assert int(row["area_px"]) == pixels
            assert float(row["area_um2"]) == pixels / 4
        assert (float(row["x"]), float(row["y"])) == pytest.approx((x, y), abs=0.005)
        assert float(row["perimeter_um"]) == pytest.approx(float(row["perimeter_px"]) / 2, abs=0.01)


def test_without_pixel_size_and_classes_cells_are_empty(tmp_path: Path) -> None:
    for row in rows_of(tmp_path, prediction_of(hard_labels(), typed=False, mpp=None)):
        assert row["class"] == row["area_um2"] == row["perimeter_um"] == ""


def test_nothing_is_a_header(tmp_path: Path) -> None:
    assert rows_of(tmp_path, prediction_of(np.zeros((4, 4), int))) == []
