import hashlib
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare import Archive, fetch

from .server import Faults, serving

CONTENT = bytes(range(256)) * 40
SHA = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


def get(server: Faults, folder: Path, **stated: object) -> Path:
    return fetch(Archive("set.zip", server.url, **stated), folder, wait=0)  # type: ignore[arg-type]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("stated", [{}, {"sha256": SHA}, {"md5": MD5}, {"bytes": len(CONTENT)}])
def test_a_file_is_fetched_once(tmp_path: Path, stated: dict[str, object]) -> None:
    with serving(CONTENT) as server:
        assert get(server, tmp_path / "raw", **stated).read_bytes() == CONTENT
        get(server, tmp_path / "raw", **stated)
    assert server.asked == [None]
    assert files(tmp_path / "raw") == ["set.zip"]


def test_a_line_that_breaks_is_taken_up_where_it_broke(tmp_path: Path) -> None:
    with serving(CONTENT, cut=[3000, 2000]) as server:
        path = get(server, tmp_path, sha256=SHA)
    assert server.asked == [None, "bytes=3000-", "bytes=5000-"]
    assert path.read_bytes() == CONTENT
    assert files(tmp_path) == ["set.zip"]


def test_a_later_call_goes_on_too(tmp_path: Path) -> None:
    with serving(CONTENT, cut=[3000, 0, 0, 0, 0, 0]) as server:
        with pytest.raises(DatasetNotFoundError, match="the connection was cut"):
            get(server, tmp_path)
        assert files(tmp_path) == ["set.zip.part", "set.zip.part.tag"]
        assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=3000-"


def test_a_server_without_ranges_sends_all_again(tmp_path: Path) -> None:
    with serving(CONTENT, cut=[3000], ranges=False) as server:
        assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_not_mixed_with_the_old_one(tmp_path: Path) -> None:
    with serving(b"old" * 2000, cut=[3000, 0, 0, 0, 0, 0]) as server:
        with pytest.raises(DatasetNotFoundError):
            get(server, tmp_path)
        server.content, server.tag, server.cut = CONTENT, '"two"', []
        assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_part_without_its_tag_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "set.zip.part").write_bytes(b"of unknown origin")
    with serving(CONTENT) as server:
        assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_part_as_long_as_the_file_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "set.zip.part").write_bytes(CONTENT)
    (tmp_path / "set.zip.part.tag").write_text('"one"')
    with serving(CONTENT) as server:
        assert get(server, tmp_path, sha256=SHA).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"sha256": "0" * 64}, f"sha256 is {SHA}; expected 0000"),
        ({"md5": "0" * 32}, f"md5 is {MD5}; expected 0000"),
        ({"bytes": 17}, "has 10240 bytes; expected 17"),
    ],
)
def test_another_file_than_stated_is_refused(
    tmp_path: Path, stated: dict[str, object], words: str
) -> None:
    with serving(CONTENT) as server, pytest.raises(UnreadableFileError, match=words):
        get(server, tmp_path, **stated)
    assert files(tmp_path) == [], "nothing that a later call would build on"


def test_a_file_put_there_by_hand_is_checked_and_left(tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(b"something else")
    with pytest.raises(UnreadableFileError, match="delete it and fetch it again"):
        fetch(Archive("set.zip", "http://nowhere.invalid/x", sha256=SHA), tmp_path)
    assert files(tmp_path) == ["set.zip"]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_what_is_not_there_is_said_at_once_with_the_way_by_hand(
    tmp_path: Path, status: int
) -> None:
    with (
        serving(CONTENT, status=[status]) as server,
        pytest.raises(DatasetNotFoundError, match=f"HTTP {status}") as caught,
    ):
        get(server, tmp_path)
    assert str(tmp_path / "set.zip") in str(caught.value)
    assert server.url in str(caught.value)
    assert len(server.asked) == 1


def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    with serving(CONTENT, status=[503]) as server:
        assert get(server, tmp_path).read_bytes() == CONTENT


def test_without_a_network_the_way_by_hand_is_said(tmp_path: Path) -> None:
    with serving(CONTENT) as server:
        pass  # nobody listens there any more
    with pytest.raises(DatasetNotFoundError, match=r"refused.* put it at .*set\.zip, and run"):
        get(server, tmp_path)


def test_a_web_page_instead_of_the_file_is_refused(tmp_path: Path) -> None:
    with (
        serving(b"<html>log in</html>", kind="text/html; charset=utf-8") as server,
        pytest.raises(DatasetNotFoundError, match=r"web page.*save it as .*set\.zip, and run"),
    ):
        get(server, tmp_path)
    assert files(tmp_path) == []


def test_other_addresses_than_of_the_web_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="http or https"):
        fetch(Archive("set.zip", f"file://{tmp_path}"), tmp_path)


def test_a_disk_that_is_too_small_is_said_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100))
    with serving(CONTENT) as server, pytest.raises(OSError, match="set raw=<folder"):
        get(server, tmp_path)
