"""What can be wrong with a file: each format says so, names the file, and takes no memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

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
