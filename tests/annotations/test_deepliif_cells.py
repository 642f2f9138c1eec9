"""Cell records and scorings of DeepLIIF, read and written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepliif_sample import pictures
from fakes.seg import marker_picture, seg_picture
from histoseg.annotations import read_cell_records, read_ihc_scoring
from histoseg.contracts import Array, Nuclei, Prediction
from histoseg.errors import UnreadableFileError
from histoseg.ops.ihc_scoring import IHCScoring
from histoseg.postprocess import DeepLIIFCells, FoundCells
from histoseg.writers import write_cell_records, write_ihc_scoring


def prediction(found: FoundCells) -> Prediction:
    image = np.zeros((*found.covered.shape, 3), np.uint8)
    return Prediction("a.1", image, found.instances, measures=found.measures)


def drawn() -> FoundCells:
    seg = seg_picture((240, 240), positive=20, negative=40, specks=10)
    original = np.random.default_rng(0).integers(0, 256, seg.shape).astype(np.uint8)
    return DeepLIIFCells().find_in(seg, marker_picture(seg), original)


def written(tmp_path: Path, found: FoundCells, version: int, **settings: Any) -> Path:
    return write_cell_records(tmp_path / str(version), prediction(found), settings, version)


def test_the_records_of_the_original(shared_data: Path, tmp_path: Path) -> None:
    given = pictures(shared_data, "22_2")
    found = DeepLIIFCells().find_in(given["seg"], given["marker"], given["original"])
    content = {v: json.loads(written(tmp_path, found, v).read_bytes()) for v in (3, 4, 5, 6)}
    first = content[3]["cells"][0]
    assert {len(c["cells"]) for c in content.values()} == {137}
    assert {k: first[k] for k in ("size", "positive", "marker", "bbox", "centroid")} == {
        "size": 534,
        "positive": False,
        "marker": 83,
        "bbox": [[132, 0], [161, 22]],
        "centroid": [146, 9],
    }
    assert content[5]["cells"][0]["od"] == 85
    assert content[4]["cells"][0].startswith("7(m$m$K##@91,%#ssK")
    packed, spelt = (read_cell_records(tmp_path / v / "cells" / "a.1.json") for v in "43")
    assert_same(packed.nuclei, spelt.nuclei)


def test_new_thresholds_on_records_are_those_of_the_picture(
    shared_data: Path, tmp_path: Path
) -> None:
    given = pictures(shared_data, "22_2")
    for cells in (
        DeepLIIFCells(),
        DeepLIIFCells(size_thresh=100, size_thresh_upper=400, marker_thresh=150),
        DeepLIIFCells(od_thresh_lower=60, od_thresh_upper=110),
    ):
        found = cells.find_in(given["seg"], given["marker"], given["original"])
        version = 6 if cells.uses_density else 4
        records = read_cell_records(written(tmp_path, found, version)).nuclei
        calls = cells.settle([records])
        called = cells.called(found, cells.settle([found.nuclei()]))
        assert calls == cells.settle([found.nuclei()])
        assert calls(records).semantic.tolist() == called.semantic.tolist()


def assert_same(one: Nuclei, other: Nuclei) -> None:
    for name in ("semantic", "centroid_xy", "box_xyxy", "points_xy", "offsets"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.measures.keys() == other.measures.keys()
    for name, values in one.measures.items():
        np.testing.assert_array_equal(values, other.measures[name])


@pytest.mark.parametrize("version", [3, 4, 5, 6])
def test_what_is_written_is_read(version: int, tmp_path: Path) -> None:
    found = drawn()
    path = written(tmp_path, found, version, seg_thresh=120)
    records = read_cell_records(path)
    measure = "marker" if version < 5 else "od"
    expected = found.nuclei()
    assert (records.version, dict(records.settings)) == (version, {"seg_thresh": 120})
    rounded = {"size": found.measures["size"], measure: found.measures[measure]}
    centres = np.rint(expected.centroid_xy)
    assert_same(
        records.nuclei,
        Nuclei(**{**vars(expected), "centroid_xy": centres, "measures": rounded}),
    )


def plain_trace(mask: Array) -> list[list[int]]:
    """Walk clockwise round a cell from pixel to pixel; keep the points where the walk turns."""
    around = [(-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1)]  # (dx, dy)
    y, x = (int(v) for v in np.argwhere(mask)[0])
    padded = np.pad(mask, 1)

    def there(p: tuple[int, int]) -> bool:
        return bool(padded[p[1] + 1, p[0] + 1])

    def after(p: tuple[int, int], start: int) -> int:
        return next(k % 8 for k in range(start, start + 8) if there(
            (p[0] + around[k % 8][0], p[1] + around[k % 8][1])))  # fmt: skip

    if mask.sum() == 1:
        return [[x, y]]
    direction = after((x, y), 0)
    walk, p = [], (x, y)
    begin = (p, direction)
    while True:
        walk.append((p, direction))
        p = (p[0] + around[direction][0], p[1] + around[direction][1])
        direction = after(p, direction + 5)
        if (p, direction) == begin:
            break
    turns = [i == 0 or walk[i][1] != walk[i - 1][1] for i in range(len(walk))]
    return [list(w[0]) for w, turn in zip(walk, turns, strict=True) if turn]


@pytest.mark.parametrize("seed", range(4))
def test_boundaries_are_a_clockwise_walk(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    seg = np.zeros((60, 60, 3), np.uint8)
    seg[..., 0] = np.where(random.random((60, 60)) < 0.3, 200, 0)
    found = DeepLIIFCells(noise_thresh=0).find_in(seg)
    cells = json.loads(written(tmp_path, found, 3).read_bytes())["cells"]
    assert len(cells) > 50
    for number, cell in enumerate(cells, start=1):
        assert cell["boundary"] == plain_trace(found.instances.labels == number)


def test_a_marker_that_was_not_measured_is_none(tmp_path: Path) -> None:
    found = DeepLIIFCells().find_in(seg_picture((96, 96), 3, 3))
    path = written(tmp_path, found, 4, default_marker_thresh=None)
    assert list(read_cell_records(path).nuclei.measures) == ["size"]
    with pytest.raises(ValueError, match="need size and od"):
        written(tmp_path, found, 6)
    with pytest.raises(ValueError, match="version of cell records is 7"):
        written(tmp_path, found, 7)


def test_nothing_found_is_a_file_too(tmp_path: Path) -> None:
    found = DeepLIIFCells().find_in(np.zeros((9, 9, 3), np.uint8))
    for version in (3, 4):
        assert len(read_cell_records(written(tmp_path, found, version)).nuclei) == 0


GOOD: dict[str, Any] = {
    "size": 9,
    "positive": True,
    "marker": 3,
    "bbox": [[0, 0], [2, 2]],
    "centroid": [1, 1],
    "boundary": [[0, 0], [2, 0], [2, 2], [0, 2]],
}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"nuc": {}}, "no cell records"),
        ({"cells": [], "dataVersion": 2}, "version 2"),
        ({"cells": {}, "dataVersion": 3}, "version 3"),
        ({"cells": [], "dataVersion": 3, "settings": 4}, "not as version 3"),
        ({"cells": [GOOD | {"boundary": []}], "dataVersion": 3}, "no boundary"),
        ({"cells": [GOOD | {"centroid": [1]}], "dataVersion": 3}, "not as version 3"),
        ({"cells": [GOOD | {"size": 1.5}], "dataVersion": 3}, "whole numbers"),
        ({"cells": [GOOD], "dataVersion": 5}, "not as version 5"),
        ({"cells": ["#"], "dataVersion": 4}, "cut short"),
        ({"cells": [GOOD], "dataVersion": 4}, "not as version 4"),
    ],
)
def test_bad_records_are_refused(content: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "cells.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UnreadableFileError, match=message):
        read_cell_records(path)


def test_the_committed_scoring_of_the_original(shared_data: Path) -> None:
    scoring = read_ihc_scoring(shared_data / "deepliif_sample" / "val" / "Bladder1.json")
    assert scoring == IHCScoring.of(15, 168, seg_thresh=150, size_thresh=30)


def test_a_scoring_is_written_as_the_original_does(tmp_path: Path) -> None:
    scoring = IHCScoring.of(8, 106, seg_thresh=120, size_thresh=61)
    path = write_ihc_scoring(tmp_path / "a.json", scoring)
    assert path.read_text() == json.dumps(scoring.fields(), indent=2)
    assert list(json.loads(path.read_text())) == [
        *("num_total", "num_pos", "num_neg", "percent_pos"),
        *("seg_thresh", "size_thresh", "size_thresh_upper", "marker_thresh"),
    ]
    assert read_ihc_scoring(path) == scoring
    assert IHCScoring.of(0, 0).percent_pos == 0


def test_the_oldest_scorings_have_four_fields(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"num_total": 4, "num_pos": 1, "num_neg": 3, "percent_pos": 25.0}')
    assert read_ihc_scoring(path) == IHCScoring.of(1, 3)
    for broken in ("[]", "{}", '{"num_total": "4", "num_pos": 1, "num_neg": 3, "percent_pos": 1}'):
        path.write_text(broken)
        with pytest.raises(UnreadableFileError, match="no scoring"):
            read_ihc_scoring(path)
