"""What holds for every writer."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from histoseg.contracts import Prediction
from histoseg.writers import (
    write_coco,
    write_geojson,
    write_hovernet_json,
    write_hovernet_mat,
    write_imagej_roi,
    write_overlay,
    write_sedeen,
    write_table,
)
from writers.drawn import hard_labels, prediction_of

Writer = Callable[[Path, Prediction], Path]
WRITERS = {
    "coco/tile_1.json": write_coco,
    "geojson/tile_1.geojson": write_geojson,
    "imagej/tile_1.zip": write_imagej_roi,
    "json/tile_1.json": write_hovernet_json,
    "mat/tile_1.mat": write_hovernet_mat,
    "overlay/tile_1.png": write_overlay,
    "sedeen/tile_1.session.xml": write_sedeen,
    "table/tile_1.csv": write_table,
}
every_writer = pytest.mark.parametrize(("place", "write"), WRITERS.items(), ids=list(WRITERS))


@every_writer
@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("labels", [hard_labels(), np.zeros((20, 30), int)], ids=["hard", "empty"])
def test_it_writes_one_file_at_its_place(
    tmp_path: Path, place: str, write: Writer, typed: bool, labels: np.ndarray
) -> None:
    path = write(tmp_path, prediction_of(labels, typed, mpp=None if typed else 0.25))
    assert path == tmp_path / place
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]
    assert path.stat().st_size > 0


@every_writer
def test_the_same_result_is_the_same_file(tmp_path: Path, place: str, write: Writer) -> None:
    prediction = prediction_of(hard_labels())
    first, second = (write(tmp_path / f, prediction).read_bytes() for f in "ab")
    # a mat file tells the time in its first 116 bytes of text
    assert first[116:] == second[116:]


@every_writer
def test_a_file_in_place_of_the_folder_is_an_error(
    tmp_path: Path, place: str, write: Writer
) -> None:
    (tmp_path / place.split("/")[0]).write_text("in the way")
    with pytest.raises(OSError, match="cannot write it"):
        write(tmp_path, prediction_of(hard_labels()))


@every_writer
def test_odd_names(tmp_path: Path, place: str, write: Writer) -> None:
    path = write(tmp_path, prediction_of(hard_labels(), name="Fall 3.1 (ü) #2"))
    assert path.name == f"Fall 3.1 (ü) #2{Path(place).name.removeprefix('tile_1')}"
    with pytest.raises(ValueError, match="cannot name"):
        write(tmp_path, prediction_of(hard_labels(), name="../escape"))


def test_json_and_geojson_are_json(tmp_path: Path) -> None:
    for write in (write_hovernet_json, write_geojson):
        json.loads(write(tmp_path, prediction_of(hard_labels())).read_text("utf-8"))
