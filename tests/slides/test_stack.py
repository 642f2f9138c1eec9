import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.slides.stack import Stack, Stacks, stack_stem


def planes(channels: int = 16, height: int = 20, width: int = 24) -> Array:
    return np.random.default_rng(0).integers(0, 4000, (channels, height, width)).astype(np.uint16)


def pages(path: Path, every: Array) -> None:
    with tifffile.TiffWriter(path) as file:
        for plane in every:
            file.write(plane, contiguous=False, metadata=None)


WRITERS: dict[str, Callable[[Path, Array], Any]] = {
    "stack": lambda p, a: tifffile.imwrite(p, a, photometric="minisblack"),
    "packed": lambda p, a: tifffile.imwrite(p, a, photometric="minisblack", compression="deflate"),
    "predicted": lambda p, a: tifffile.imwrite(
        p, a, photometric="minisblack", compression="deflate", predictor=True
    ),
    "big_endian": lambda p, a: tifffile.imwrite(p, a, photometric="minisblack", byteorder=">"),
    "ome": lambda p, a: tifffile.imwrite(p.with_name("a.ome.tif"), a, metadata={"axes": "CYX"}),
    "imagej": lambda p, a: tifffile.imwrite(p, a, imagej=True, metadata={"axes": "CYX"}),
    "pages": pages,
    "planar": lambda p, a: tifffile.imwrite(
        p, a, photometric="minisblack", planarconfig="separate", metadata=None
    ),
    "samples": lambda p, a: tifffile.imwrite(
        p, np.moveaxis(a, 0, -1), photometric="minisblack", planarconfig="contig"
    ),
    "tiled": lambda p, a: tifffile.imwrite(p, a, photometric="minisblack", tile=(16, 16)),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_way_to_write_channels_is_read(kind: str, tmp_path: Path) -> None:
    every = planes(6)
    WRITERS[kind](tmp_path / "a.tif", every)
    (path,) = tmp_path.iterdir()
    stack = Stack(path)
    assert (stack.channels, stack.size) == (6, (20, 24))
    for channel in (5, 0, 3):
        plane = stack.plane(channel)
        np.testing.assert_array_equal(plane, every[channel])
        assert plane.dtype == np.uint16
        assert plane.dtype.isnative


def test_a_single_page_is_one_channel(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", planes(1)[0])
    stack = Stack(tmp_path / "a.tif")
    assert stack.channels == 1
    with pytest.raises(UnreadableFileError, match=r"has 1 channels \(0 to 0\), and channel 12"):
        stack.plane(12)


def test_only_the_pages_that_are_asked_for_are_read(tmp_path: Path) -> None:
    """All other pages of a 16-page file are destroyed."""
    every = planes()
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, every, photometric="minisblack", compression="deflate")
    with tifffile.TiffFile(path) as file:
        where = [(p.dataoffsets[0], p.databytecounts[0]) for p in file.pages]
    content = bytearray(path.read_bytes())
    for page, (start, length) in enumerate(where):
        if page not in (0, 12, 14):
            content[start : start + length] = b"\xff" * length
    path.write_bytes(content)
    stack = Stack(path)
    for page in (0, 12, 14):
        np.testing.assert_array_equal(stack.plane(page), every[page])
    with pytest.raises(UnreadableFileError, match="channel 3 cannot be read"):
        stack.plane(3)


def test_two_axes_of_channels_need_a_word(tmp_path: Path) -> None:
    path, every = tmp_path / "a.ome.tif", planes(6)
    tifffile.imwrite(path, every.reshape(3, 2, 20, 24), metadata={"axes": "ZCYX"})
    with pytest.raises(UnreadableFileError, match=r"\(Z=3, C=2\).*layout=pages"):
        Stack(path)
    stack = Stack(path, "pages")
    np.testing.assert_array_equal(stack.plane(5), every[5])


def test_what_is_no_stack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="there is no stack"):
        Stack(tmp_path / "a.tif")
    (tmp_path / "b.tif").write_bytes(b"not a TIFF")
    with pytest.raises(UnreadableFileError, match="cannot be read as a TIFF stack"):
        Stack(tmp_path / "b.tif")
    with pytest.raises(UnreadableFileError, match="cannot be opened"):
        Stacks()(tmp_path / "a.tif")


def test_a_file_that_changes_is_looked_at_anew(tmp_path: Path) -> None:
    path, stacks = tmp_path / "a.tif", Stacks()
    tifffile.imwrite(path, planes(4), photometric="minisblack")
    first = stacks(path)
    assert stacks(path) is first
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(stacks))(path).plane(1), first.plane(1))
    tifffile.imwrite(path, planes(5), photometric="minisblack")
    assert stacks(path).channels == 5


def test_the_suffix_of_two_parts_goes() -> None:
    assert [stack_stem(n) for n in ("a.ome.tif", "b.1.TIFF", "c.png")] == ["a", "b.1", "c.png"]
