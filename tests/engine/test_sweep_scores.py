import csv
import json
import logging
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from histoseg.engine.sweep_scores import SweepScores

SCORES = ({"test/pq": 0.5, "test/aji": 0.1}, {"test/pq": 0.6}, {"test/pq": 0.1, "test/aji": None})


def write(folder: Path) -> None:
    for job, scores in zip((2, 0, 10), SCORES, strict=True):
        (folder / str(job) / "test").mkdir(parents=True)
        (folder / str(job) / "test" / "metrics.json").write_text(json.dumps(scores))
        (folder / str(job) / ".hydra").mkdir()
        OmegaConf.save([f"data.fold={job}"], folder / str(job) / ".hydra" / "overrides.yaml")
    (folder / "11").mkdir()  # a run that failed


def end(folder: Path) -> None:
    SweepScores().on_multirun_end(OmegaConf.create({"hydra": {"sweep": {"dir": str(folder)}}}))


def test_rows_mean_and_spread(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path)
    with caplog.at_level(logging.INFO):
        end(tmp_path)
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["0", "2", "10", "mean", "sd"]
    assert [row["overrides"] for row in rows[:3]] == ["data.fold=0", "data.fold=2", "data.fold=10"]
    assert [float(row["test/pq"]) for row in rows[:4]] == pytest.approx([0.6, 0.5, 0.1, 0.4])
    assert float(rows[4]["test/pq"]) == pytest.approx(0.07**0.5)
    assert "test/aji" not in rows[0], "not every run has it"
    assert "0.4000 ± 0.2646" in caplog.text


def test_one_run_has_no_spread(tmp_path: Path) -> None:
    write(tmp_path)
    for job in (0, 2):
        (tmp_path / str(job) / "test" / "metrics.json").unlink()
    end(tmp_path)
    assert not (tmp_path / "scores.csv").exists()
