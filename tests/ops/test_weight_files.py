from collections.abc import Callable
from pathlib import Path, PosixPath, WindowsPath

import numpy as np
import pytest
import torch

from histoseg.errors import CheckpointError
from histoseg.ops.weight_files import read_checkpoint


def write_torch(path: Path) -> None:
    torch.save({"desc": {"a": torch.arange(5000)}}, path)


def write_legacy(path: Path) -> None:
    torch.save({"a": torch.arange(5000)}, path, _use_new_zipfile_serialization=False)


def write_npz(path: Path) -> None:
    np.savez(path, a=np.arange(5000))


WRITERS = [("new.tar", write_torch), ("old.tar", write_legacy), ("arrays.npz", write_npz)]


@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_reads(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    write(tmp_path / name)
    content = read_checkpoint(tmp_path / name)
    assert torch.equal(content.get("desc", content)["a"], torch.arange(5000))


@pytest.mark.parametrize(("name", "write"), WRITERS)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_file_cut_short_is_refused(
    tmp_path: Path, name: str, write: Callable[[Path], None], share: float
) -> None:
    path = tmp_path / name
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match="download it again"):
        read_checkpoint(path)


@pytest.mark.parametrize("name", ["picture.tar", "picture.npz"])
@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" + bytes(100), b"<html>Not found</html>"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{name}.*cannot be read as weights"):
        read_checkpoint(tmp_path / name)


def test_code_is_not_run(tmp_path: Path) -> None:
    torch.save({"desc": torch.nn.Linear(1, 1)}, tmp_path / "module.tar")
    np.savez(tmp_path / "objects.npz", a=np.array([{}], dtype=object))
    for name in ("module.tar", "objects.npz"):
        with pytest.raises(CheckpointError, match="cannot be read as weights"):
            read_checkpoint(tmp_path / name)


class Folder:
    """Pickled as a path of the system that wrote the file."""

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return self.kind, ("logs", "run")


@pytest.mark.parametrize("kind", [PosixPath, WindowsPath])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_path_is_read_as_a_name(tmp_path: Path, kind: type, zipped: bool) -> None:
    content = {"log_dir": Folder(kind), "a": torch.ones(3)}
    torch.save(content, tmp_path / "a.tar", _use_new_zipfile_serialization=zipped)
    read = read_checkpoint(tmp_path / "a.tar")
    assert read["log_dir"].parts == ("logs", "run")
    assert not isinstance(read["log_dir"], Path)
    assert torch.equal(read["a"], torch.ones(3))


def test_a_file_that_holds_no_dictionary_is_refused(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "list.tar")
    with pytest.raises(CheckpointError, match="holds a list"):
        read_checkpoint(tmp_path / "list.tar")


def test_a_lacking_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.tar"):
        read_checkpoint(tmp_path / "nowhere.tar")
