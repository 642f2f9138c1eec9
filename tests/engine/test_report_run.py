"""The page of one run."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from fakes.runs import fake_run
from histoseg.engine.report_run import report
from histoseg.engine.run_folder import RunFolder, curves_of, find_runs
from histoseg.errors import CheckpointError


def test_a_run_has_a_page_of_its_own(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "a", 0.5, overrides=["model=hovernet"])
    overall = {"image mean": {"pq": {"value": 0.5, "low": 0.4, "high": 0.6}}}
    found = {"settings": {"radius_px": 12}, "overall": overall, "by_class": {"immune": overall}}
    (run / "test" / "scores.json").write_text(json.dumps(found))
    (page,) = report(OmegaConf.create({"run": str(run)}))
    text = page.read_text()
    said = ("model=hovernet", "0.5 [0.400, 0.600]", "class immune", "1 min 23 s", "image_11",
            "monitor: val/pq", "2.15.0", "00_image_00")  # fmt: skip
    assert [word for word in said if word not in text] == []
    assert "hydra.run.dir" not in text
    assert text.index("Best of 12") < text.index("image_11") < text.index("Worst of 12")


def test_a_run_without_scores_or_panels_has_one_too(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "a", 0.5)
    for path in [*(run / "test").rglob("*"), *(run / "fit" / "panels").rglob("*")]:
        if path.is_file():
            path.unlink()
    (run / "environment.json").unlink()
    (run / "metrics.csv").unlink()
    (page,) = report(OmegaConf.create({"run": str(run)}))
    assert "Overview" in page.read_text()


def test_epochs_of_phases_go_on_counting() -> None:
    rows = [
        {"phase": phase, "epoch": str(epoch), "val/pq": "0.5", "step": "0"}
        for phase in ("decoders", "all")
        for epoch in range(2)
    ]
    assert curves_of(rows)["val/pq"][0] == [1, 2, 3, 4]


def test_runs_are_found_by_folder_sweep_and_glob(tmp_path: Path) -> None:
    for name in ("10", "9"):
        fake_run(tmp_path / "sweep" / name, 0.5)
    assert [r.path.name for r in find_runs([str(tmp_path / "sweep")])] == ["9", "10"]
    assert len(find_runs([str(tmp_path / "sweep" / "*"), str(tmp_path / "sweep" / "9")])) == 2
    assert RunFolder(tmp_path / "sweep" / "9").name == "sweep/9"


@pytest.mark.parametrize(("made", "said"), [(False, "there is no run"), (True, "no finished")])
def test_what_is_no_finished_run(tmp_path: Path, made: bool, said: str) -> None:
    if made:
        fake_run(tmp_path / "a", 0.5, done=False)
    with pytest.raises(CheckpointError, match=said):
        find_runs([str(tmp_path)])
