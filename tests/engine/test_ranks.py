import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from histoseg.engine.ranks import STARTED_OUTSIDE, _stop, _wait, ranks_to_start


@pytest.fixture(autouse=True)
def _no_ranks_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*STARTED_OUTSIDE, "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("devices", "count"), [(1, 0), (2, 2), ("2", 2), ([0, 3], 2), ("0,1,", 2), ([5], 0), (-1, 0)]
)
def test_processes_to_start_for_what_was_asked(devices: object, count: int) -> None:
    trainer = OmegaConf.create({"devices": devices, "num_nodes": 1, "accelerator": "cpu"})
    assert ranks_to_start(trainer) == count


def test_nothing_is_started_where_a_launcher_already_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    trainer = OmegaConf.create({"devices": 2, "num_nodes": 1, "accelerator": "cpu"})
    assert ranks_to_start(trainer) == 0


@pytest.mark.parametrize(("tasks", "count"), [("1", 2), ("2", 0)])
def test_one_task_of_slurm_starts_its_ranks_and_several_are_the_ranks(
    tasks: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_NTASKS", tasks)
    trainer = OmegaConf.create({"devices": 2, "num_nodes": 1, "accelerator": "cpu"})
    assert ranks_to_start(trainer) == count


def test_one_process_a_node_is_started_when_there_are_several_nodes() -> None:
    trainer = OmegaConf.create({"devices": 1, "num_nodes": 2, "accelerator": "cpu"})
    assert ranks_to_start(trainer) == 1


def child(code: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", code])


def test_a_failed_rank_is_reported_and_the_others_are_stopped() -> None:
    children = [child("import time; time.sleep(60)"), child("raise SystemExit(3)")]
    failed = _wait(children)
    _stop(children)
    assert failed is children[1]
    assert failed.returncode == 3
    assert children[0].poll() is not None


def test_ranks_that_end_well_are_waited_for() -> None:
    assert _wait([child("pass"), child("import time; time.sleep(0.3)")]) is None
