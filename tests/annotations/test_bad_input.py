"""What can be wrong with a file: each format says so, names the file, and takes no memory."""

import io
import json
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from annotations.broken import DRAWN, EVERY, JSON, PACKED, REFUSED, RING, XML, good, zipped
from histoseg.annotations import read_drawing, read_objects
from histoseg.errors import UnreadableFileError

MEMORY = 96 << 20  # bytes; a bomb would take gigabytes
CASES = [(fault, name) for fault, (names, *_) in REFUSED.items() for name in names]


def save(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", EVERY)
def test_a_good_file_is_read(name: str, tmp_path: Path) -> None:
    assert read_objects(save(tmp_path, name, good(name, RING))).instances.any()


@pytest.mark.parametrize(("fault", "name"), CASES)
def test_a_bad_file_is_refused_by_name(fault: str, name: str, tmp_path: Path) -> None:
    _, content, words = REFUSED[fault]
    path = save(tmp_path, name, content(name))
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFileError, match=words) as error:
            read_objects(path)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert name in str(error.value)


@pytest.mark.parametrize("name", EVERY)
def test_every_cut_is_noticed_or_harmless(name: str, tmp_path: Path) -> None:
    content = good(name, RING, RING)
    whole = read_objects(save(tmp_path, name, content)).instances
    refused = 0
    for length in np.linspace(1, len(content) - 1, 25).astype(int):
        path = save(tmp_path, name, content[:length])
        try:
            found = read_objects(path).instances
        except UnreadableFileError:
            refused += 1
        else:  # an ending that carries nothing, such as the checksum of a PNG
            np.testing.assert_array_equal(found, whole)
    assert refused > 5


@pytest.mark.parametrize("name", [n for n in EVERY if n != "a.roi"])
def test_an_empty_set_is_all_background(name: str, tmp_path: Path) -> None:
    objects = read_objects(save(tmp_path, name, good(name)), (20, 24))
    assert objects.instances.shape == (20, 24)
    assert not objects.instances.any()
    assert not objects.dropped


@pytest.mark.parametrize("name", [*XML, *JSON])
def test_a_byte_order_mark_is_fine(name: str, tmp_path: Path) -> None:
    plain = good(name, RING).decode()
    for encoding in ("utf-8-sig", "utf-16")[: 2 if name in XML else 1]:
        assert len(read_drawing(save(tmp_path, name, plain.encode(encoding))).shapes) == 1


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e300])
def test_coordinates_that_are_none_cost_only_their_object(
    value: float, name: str, tmp_path: Path
) -> None:
    bad = [[1.0, 1.0], [value, 2.0], [3.0, 4.0]]
    rings = (bad,) if name == "a.roi" else (RING, bad, RING)
    drawing = read_drawing(save(tmp_path, name, good(name, *rings)))
    assert len(drawing.shapes) == len(rings) - 1
    (dropped,) = drawing.dropped
    assert "NaN or infinite" in dropped.why or "no image is that large" in dropped.why
    assert dropped.where


@pytest.mark.parametrize("name", [*PACKED, "a.zip"])
def test_a_zip_that_is_none(name: str, tmp_path: Path) -> None:
    start = good(name, RING)[:4]
    with pytest.raises(UnreadableFileError, match=name):
        read_objects(save(tmp_path, name, start + b"\xff" * 400))


def test_a_member_of_a_zip_that_is_no_region(tmp_path: Path) -> None:
    members = {"1.roi": good("a.roi", RING), "2.roi": b"no region at all"}
    path = save(tmp_path, "a.zip", zipped(members))
    with pytest.raises(UnreadableFileError, match=r"a\.zip, member 2\.roi: not an ImageJ ROI"):
        read_objects(path)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", [8, 255, 0x7F000009])
def test_an_unknown_kind_of_data_in_a_mat_is_refused(
    kind: int, packed: bool, tmp_path: Path
) -> None:
    plain = io.BytesIO()
    savemat(plain, {"inst_map": np.eye(4, dtype=np.int32)})
    content = plain.getvalue()
    tag = content.index(b"inst_map") + len(b"inst_map")  # of the pixels; scipy dies of a wrong one
    content = content[:tag] + struct.pack("<I", kind) + content[tag + 4 :]
    if packed:
        body = zlib.compress(content[128:])
        content = content[:128] + struct.pack("<II", 15, len(body)) + body
    with pytest.raises(UnreadableFileError, match=r"a\.mat is damaged"):
        read_objects(save(tmp_path, "a.mat", content))


@pytest.mark.parametrize("points", [[[1, 2], 5], [[1, 2], {"x": 1}], [[1, 2, 3]] * 2, 7])
def test_a_strange_line_is_left_out(points: object, tmp_path: Path) -> None:
    line = {"type": "Feature", "geometry": {"type": "LineString", "coordinates": points}}
    drawing = read_drawing(save(tmp_path, "a.geojson", json.dumps(line).encode()))
    assert not drawing.shapes
    assert len(drawing.dropped) == 1


@pytest.mark.parametrize("key", ["image_id", "category_id"])
def test_a_coco_id_that_is_none(key: str, tmp_path: Path) -> None:
    content = json.loads(good("a.coco.json", RING))
    content["annotations"][0][key] = [1]
    path = save(tmp_path, "a.coco.json", json.dumps(content).encode())
    if key == "image_id":
        with pytest.raises(UnreadableFileError, match=r"annotations\[0\]"):
            read_drawing(path)
    else:
        assert [shape.label for shape in read_drawing(path).shapes] == [None]


def test_coco_categories_that_are_no_list(tmp_path: Path) -> None:
    content = json.loads(good("a.coco.json", RING)) | {"categories": 5}
    with pytest.raises(UnreadableFileError, match="no list"):
        read_drawing(save(tmp_path, "a.coco.json", json.dumps(content).encode()))


def test_a_polygon_of_no_rings_is_left_out(tmp_path: Path) -> None:
    shape = {"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": [5, []]}}
    drawing = read_drawing(save(tmp_path, "a.geojson", json.dumps(shape).encode()))
    assert [drop.why for drop in drawing.dropped] == ["it has no outline"]


def test_a_zip_of_a_later_version_is_refused(tmp_path: Path) -> None:
    content = bytearray(good("a.zip", RING))
    content[content.index(b"PK\1\2") + 6] = 127  # needed to unpack it
    with pytest.raises(UnreadableFileError, match="cannot be read as a zip"):
        read_objects(save(tmp_path, "a.zip", bytes(content)))
