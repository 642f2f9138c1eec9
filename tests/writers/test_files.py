import errno
import os
import signal
import warnings
from pathlib import Path

import pytest

from histoseg.writers.files import result_path, whole_file


@pytest.mark.parametrize("name", ["a.b.c", "a b", "ü%é#1", "-x", "...", "名"])
def test_odd_names_are_kept(tmp_path: Path, name: str) -> None:
    path = result_path(tmp_path, name, "json", ".json")
    with whole_file(path) as file:
        file.write(b"1")
    assert [p.name for p in (tmp_path / "json").iterdir()] == [f"{name}.json"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a\\b", "a\nb", "a\0b"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a result file"):
        result_path(tmp_path, name, "json", ".json")


def write_and_raise(path: Path, error: Exception) -> None:
    with whole_file(path) as file:
        file.write(b"new")
        raise error


def write_to_full_device(path: Path) -> None:
    with whole_file(path) as file:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, file.fileno())
        os.close(full)
        file.write(b"x" * 100_000)


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="half way"):
        write_and_raise(path, RuntimeError("half way"))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        write_and_raise(tmp_path / "a", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert "Free disk space" in str(caught.value)
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_device_reaches_the_user(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot write it"):
        write_to_full_device(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "json").write_bytes(b"")
    with (
        pytest.raises(OSError, match=r"cannot write it.*choose a folder") as caught,
        whole_file(tmp_path / "json" / "a.json"),
    ):
        pass
    assert str(tmp_path / "json" / "a.json") in str(caught.value)


def test_files_get_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a"):
        pass
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def leave(path: Path) -> None:
    """Write half a file in a process of its own that is killed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other tests have started threads
        child = os.fork()
    if child == 0:
        with whole_file(path) as file:
            file.write(b"half of a longer one")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    leave(tmp_path / "a")
    (left,) = tmp_path.iterdir()
    assert left.stat().st_size == 20
    with whole_file(tmp_path / "a") as file:
        file.write(b"whole")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"whole"]


def test_two_who_write_the_same_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with whole_file(path) as slow:
        slow.write(b"slow" * 3)
        with whole_file(path) as fast:
            fast.write(b"fast")
        assert path.read_bytes() == b"fast"
    assert path.read_bytes() == b"slow" * 3
    assert list(tmp_path.iterdir()) == [path]


def test_without_locks_files_are_still_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr("fcntl.flock", no_locks)
    with whole_file(tmp_path / "a") as file:
        file.write(b"1")
        assert [p.name for p in tmp_path.iterdir()] != [".a.new"]
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
