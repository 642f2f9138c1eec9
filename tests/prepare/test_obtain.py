import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare import Archive, Item, RawItem, obtain


class Named:
    """Finds one item if its file is there, and never reads it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def items(self, raw: Path) -> Iterator[RawItem]:
        if not (raw / self.name).is_file():
            raise DatasetNotFoundError(f"there is no {self.name}")
        yield RawItem("a", (raw / self.name,), lambda: Item)  # type: ignore[arg-type,return-value]


def zipped(path: Path) -> str:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("inner.txt", "x")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def found(name: str, archive: Archive, raw: Path) -> list[RawItem]:
    return obtain(Named(name), [archive], raw, download=False, by_hand="Ask for it")


def test_an_archive_that_is_read_as_it_is_is_checked_once_and_not_unzipped(tmp_path: Path) -> None:
    right = Archive("x.zip", into=None, sha256=zipped(tmp_path / "x.zip"))
    wrong = Archive("x.zip", into=None, sha256="0" * 64)
    with pytest.raises(UnreadableFileError, match="sha256"):
        found("x.zip", wrong, tmp_path)
    assert len(found("x.zip", right, tmp_path)) == 1
    assert len(found("x.zip", wrong, tmp_path)) == 1, "a large file is not summed up each time"
    assert not (tmp_path / "inner.txt").exists()


def test_only_archives_of_the_recipe_are_unzipped(tmp_path: Path) -> None:
    zipped(tmp_path / "holiday.zip")
    with pytest.raises(DatasetNotFoundError, match=r"no inner\.txt\. Ask for it"):
        found("inner.txt", Archive("set.zip"), tmp_path)
    assert len(found("inner.txt", Archive("*.zip"), tmp_path)) == 1


def test_an_archive_of_another_content_is_refused_before_it_is_unzipped(tmp_path: Path) -> None:
    zipped(tmp_path / "x.zip")
    with pytest.raises(UnreadableFileError, match="sha256"):
        found("inner.txt", Archive("x.zip", sha256="0" * 64), tmp_path)
    assert not (tmp_path / "inner.txt").exists()
