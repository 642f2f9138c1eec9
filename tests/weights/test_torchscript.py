import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from histoseg.errors import CheckpointError
from histoseg.networks import ResnetGenerator
from histoseg.weights.torchscript import _rebuilt, read_torchscript

Trace = Callable[..., dict[str, Tensor]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_reads_what_torch_reads(tmp_path: Path, trace: Trace, dtype: torch.dtype) -> None:
    network = nn.Sequential(ResnetGenerator(width=2, blocks=1), nn.Conv2d(3, 1, 1))
    expected = trace(network.to(dtype), tmp_path / "G1.pt", dtype)
    read = read_torchscript(tmp_path / "G1.pt")
    assert list(read) == list(expected)
    assert all(torch.equal(read[key], value) for key, value in expected.items())
    assert {value.dtype for value in read.values()} == {dtype, torch.int64}


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("ran"),)


def write(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("G1/data.pkl", content)


def test_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "G1.pt", pickle.dumps(Evil(), protocol=2))
    with pytest.raises(CheckpointError, match=r"it names .*which weights do not need"):
        read_torchscript(tmp_path / "G1.pt")
    assert not (tmp_path / "ran").exists()


def test_storage_is_not_read_beyond_its_end(tmp_path: Path, trace: Trace) -> None:
    trace(nn.Conv2d(3, 4, 3), tmp_path / "G1.pt")
    with (
        zipfile.ZipFile(tmp_path / "G1.pt") as whole,
        zipfile.ZipFile(tmp_path / "x.pt", "w") as cut,
    ):
        for name in whole.namelist():
            content = whole.read(name)
            cut.writestr(name, content[:8] if "/data/" in name else content)
    with pytest.raises(CheckpointError, match="cannot be read as a TorchScript file"):
        read_torchscript(tmp_path / "x.pt")


class Module:
    """Pickled as a module of TorchScript."""


Module.__module__ = "__torch__"


def test_a_module_in_itself_and_a_swollen_tensor_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "__torch__", SimpleNamespace(Module=Module))
    module = Module()
    module.inner = module
    write(tmp_path / "G1.pt", pickle.dumps(module, protocol=2))
    with pytest.raises(CheckpointError, match="recursion"):
        read_torchscript(tmp_path / "G1.pt")
    with pytest.raises(pickle.UnpicklingError, match="repeats its few numbers"):
        _rebuilt(torch.zeros(3), 0, (10**9, 3), (0, 1))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_damaged_files_are_refused(tmp_path: Path, trace: Trace, share: float) -> None:
    path = tmp_path / "G1.pt"
    trace(nn.Conv2d(3, 4, 3), path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match=r"G1\.pt .*cannot be read as a TorchScript file"):
        read_torchscript(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pt"):
        read_torchscript(tmp_path / "nowhere.pt")
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("readme.txt", "x")
    with pytest.raises(CheckpointError, match="cannot be read as a TorchScript file"):
        read_torchscript(tmp_path / "x.pt")
