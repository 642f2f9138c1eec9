"""Several runs by one command: grids, searches, side by side, on a cluster, on several ranks."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from .conftest import MINE, Call

OLD_OPTUNA = pytest.mark.filterwarnings("ignore:.*declarative_base:DeprecationWarning")
QUICK = (*MINE, "experiment=quick", "test=false", "hydra.sweep.dir=sweep")


def lr(run: Path) -> float:
    return float(OmegaConf.load(run / "config.yaml").model.optimizer.lr)


def trials(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("select state from trials order by number").fetchall()
    return [state for (state,) in rows]


def test_a_grid_leaves_one_folder_a_run(histoseg_: Call, tmp_path: Path) -> None:
    said = histoseg_("train", *QUICK, "hparams_search=grid_lr")
    assert said.code == 0, said.err
    rates = [lr(tmp_path / "sweep" / str(job)) for job in range(3)]
    assert rates == [3e-5, 1e-4, 3e-4]
    assert all((tmp_path / "sweep" / str(job) / "best.ckpt").is_file() for job in range(3))


def test_the_scores_of_a_sweep_have_a_mean(histoseg_: Call, tmp_path: Path) -> None:
    quick = (*MINE, "experiment=quick", "hydra.sweep.dir=sweep", "worst=0")
    said = histoseg_("train", *quick, "-m", "seed=1,2")
    assert said.code == 0, said.err
    first, *rows = (tmp_path / "sweep" / "scores.csv").read_text().splitlines()
    assert first.startswith("run,overrides,test/")
    assert [row.split(",")[0] for row in rows] == ["0", "1", "mean", "sd"]
    assert "mean ± SD of 2 runs" in said.out + said.err


def test_a_job_of_a_sweep_is_resumed_by_itself(histoseg_: Call, tmp_path: Path) -> None:
    assert histoseg_("train", *QUICK, "-m", "model.optimizer.lr=1e-3,1e-2").code == 0
    job = tmp_path / "sweep" / "1"
    (job / "fit" / "done.json").unlink()
    again = histoseg_("train", *MINE, f"resume={job}", "trainer.max_epochs=2")
    assert again.code == 0, again.err
    assert lr(job) == 1e-2
    assert "goes on from" in again.out
    assert sorted(p.name for p in (tmp_path / "sweep").iterdir()) == ["0", "1", "multirun.yaml"]


@OLD_OPTUNA
def test_a_search_goes_on_where_it_stopped(histoseg_: Call, tmp_path: Path) -> None:
    search = [*QUICK, "hparams_search=optuna_lr", "hydra.sweeper.n_trials=2", "paths.runs=a/runs"]
    for count in (2, 4):
        said = histoseg_("train", *search, f"hydra.sweep.dir=sweep{count}")
        assert said.code == 0, said.err
        assert trials(tmp_path / "a" / "runs" / "optuna.db") == ["COMPLETE"] * count
        best = OmegaConf.load(tmp_path / f"sweep{count}" / "optimization_results.yaml")
        assert best.best_value > 0.9
        assert 1e-5 <= best.best_params["model.optimizer.lr"] <= 1e-2
    rates = {lr(tmp_path / f"sweep{count}" / str(job)) for count in (2, 4) for job in (0, 1)}
    assert len(rates) == 4, "four different trials"


@OLD_OPTUNA
def test_a_trial_that_fails_does_not_end_the_search(histoseg_: Call, tmp_path: Path) -> None:
    search = [*QUICK, "hparams_search=fragile", "hydra.sweeper.n_trials=4"]
    said = histoseg_("train", *search)
    assert said.code == 0, said.err
    assert set(trials(tmp_path / "runs" / "optuna.db")) == {"COMPLETE", "FAIL"}


def test_a_mistake_in_a_sweep_is_answered_in_one_paragraph(histoseg_: Call) -> None:
    said = histoseg_("train", *QUICK, "-m", "data.tile=64,32")
    assert "set data.tile=48" in said.complaint
    assert "data.tile=32" in said.err, "which of the jobs"


@pytest.mark.usefixtures("jobs")
def test_jobs_run_side_by_side(histoseg_: Call, tmp_path: Path) -> None:
    side_by_side = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    said = histoseg_("train", *QUICK, "-m", "seed=1,2", *side_by_side)
    assert said.code == 0, said.err
    assert [OmegaConf.load(tmp_path / "sweep" / j / "config.yaml").seed for j in "01"] == [1, 2]
    assert all((tmp_path / "sweep" / j / "best.ckpt").is_file() for j in "01")


@pytest.mark.slow
def test_a_job_of_a_sweep_starts_its_own_ranks_even_as_a_task_of_slurm(
    histoseg_: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("SLURM_NTASKS", "1")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_NODELIST", "nowhere")
    said = histoseg_("train", *QUICK, "-m", "seed=1", "trainer=ddp_cpu")
    assert said.code == 0, said.err
    assert "2 ranks started" in said.out
    run = tmp_path / "sweep" / "0"
    assert (run / "best.ckpt").is_file()
    assert sorted(p.name for p in (run / "fit").iterdir()) == [
        "checkpoints", "done.json", "metrics.csv", "panels",
    ]  # fmt: skip
    assert not list(tmp_path.glob("sweep/1*"))


def test_slurm_is_a_matter_of_configuration(histoseg_: Call) -> None:
    said = histoseg_("train", *QUICK, "hydra/launcher=slurm", "--cfg", "hydra")
    assert said.code == 0, said.err
    assert "submitit_launcher.SlurmLauncher" in said.out
    for setting in ("tasks_per_node: 1", "gpus_per_node: 1", "max_num_timeout: 10"):
        assert setting in said.out


@pytest.mark.slow
def test_a_job_is_handed_to_submitit(histoseg_: Call, tmp_path: Path) -> None:
    said = histoseg_("train", *QUICK, "-m", "seed=1,2", "hydra/launcher=submitit_local")
    assert said.code == 0, said.err
    assert all((tmp_path / "sweep" / j / "best.ckpt").is_file() for j in "01")
    assert os.listdir(tmp_path / "sweep" / ".submitit")  # noqa: PTH208
