import shutil
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from histoseg.errors import UnreadableFileError
from histoseg.prepare.unzip import unzip


def archive(path: Path, names: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in names.items():
            file.writestr(name, content)
    return path


def test_files_come_out_without_what_macos_adds(tmp_path: Path) -> None:
    names = {"a/b.txt": b"one", "a/.DS_Store": b"x", "__MACOSX/a/._b.txt": b"x", "a/": b""}
    unzip(archive(tmp_path / "x.zip", names), tmp_path / "out")
    found = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*")}
    assert found == {"a", "a/b.txt"}
    assert (tmp_path / "out/a/b.txt").read_bytes() == b"one"


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "C:\\x", "..\\x"])
def test_names_that_lead_outside_are_refused_before_anything_is_written(
    tmp_path: Path, name: str
) -> None:
    path = archive(tmp_path / "x.zip", {"good.txt": b"1", name: b"2"})
    with pytest.raises(UnreadableFileError, match=r"x\.zip holds .*outside its folder"):
        unzip(path, tmp_path / "out" / "deep")
    assert {p.name for p in tmp_path.rglob("*")} == {"x.zip"}


def test_links_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(UnreadableFileError, match="a link, 'link'"):
        unzip(tmp_path / "x.zip", tmp_path / "out")


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("histoseg.prepare.unzip.SMALL", 1000)
    path = archive(tmp_path / "x.zip", {"zeros": bytes(500_000)})
    with pytest.raises(UnreadableFileError, match="would unzip to 500000 bytes"):
        unzip(path, tmp_path / "out")


def test_a_disk_that_is_too_small_is_said_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1))
    with pytest.raises(OSError, match=r"x\.zip unzips to"):
        unzip(archive(tmp_path / "x.zip", {"a": b"123"}), tmp_path / "out")


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "empty"])
def test_a_damaged_archive_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a", b"content of a file" * 10)
    good = path.read_bytes()
    at = good.index(b"content")
    flipped = good[:at] + b"X" + good[at + 1 :]
    bad = {"cut": good[: len(good) // 2], "flipped": flipped, "text": b"hello", "empty": b""}
    path.write_bytes(bad[damage])
    with pytest.raises(UnreadableFileError, match=r"x\.zip .* cannot be unzipped"):
        unzip(path, tmp_path / "out")


def test_an_encrypted_archive_is_named(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.zip", {"a": b"123"})
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the bit that says so, in the file's header and in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(UnreadableFileError, match="encrypted"):
        unzip(path, tmp_path / "out")
