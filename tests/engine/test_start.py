from pathlib import Path

import pytest

from histoseg.engine.start import training_command

CONF = Path(__file__).parents[2] / "conf"


def test_a_bare_call_names_what_is_missing_and_lists_the_choices() -> None:
    with pytest.raises(SystemExit) as stop:
        training_command(["trainer=gpu"], str(CONF))
    text = str(stop.value)
    assert "model and data missing" in text
    assert "hovernet" in text
    assert "synthetic" in text


def test_what_is_given_is_not_called_missing() -> None:
    with pytest.raises(SystemExit, match="data missing") as stop:
        training_command(["model=hovernet"], str(CONF))
    assert "model=" not in str(stop.value).split("\n")[1]


@pytest.mark.parametrize(
    "args", [["model=a", "data=b"], ["experiment=c"], ["--help"], ["-m", "model=a,b", "data=c"]]
)
def test_a_complete_command_is_left_alone(args: list[str]) -> None:
    assert training_command(args, str(CONF)) == args


def test_resume_repeats_what_the_run_was_started_with(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    stored = "- model=hovernet\n- data=synthetic\n- hparams_search=grid_lr\n"
    (tmp_path / ".hydra" / "overrides.yaml").write_text(stored)
    args = training_command([f"resume={tmp_path}", "trainer.max_epochs=7"], str(CONF))
    assert args[:3] == ["model=hovernet", "data=synthetic", "trainer.max_epochs=7"]
    assert f"hydra.run.dir='{tmp_path}'" in args
    assert not any("hparams_search" in a for a in args), "one job of a sweep, not the sweep"


def test_resuming_what_is_not_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="not the folder of a run"):
        training_command([f"resume={tmp_path}"], str(CONF))
