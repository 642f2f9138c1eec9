from pathlib import Path

import pytest

from histoseg.cli.arguments import checkpoint_command, ordered, training_command


def test_what_is_given_is_not_called_missing() -> None:
    with pytest.raises(SystemExit, match="data missing") as stop:
        training_command(["model=hovernet"])
    offers = str(stop.value).split("\n")[1:-1]
    groups = {offer.split("=")[0].strip() for offer in offers}
    assert "data" in groups
    assert "model" not in groups


@pytest.mark.parametrize(
    "args", [["model=a", "data=b"], ["experiment=c"], ["--info"], ["-m", "model=a,b", "data=c"]]
)
def test_a_complete_command_is_left_alone(args: list[str]) -> None:
    assert training_command(args) == args


def test_resume_repeats_what_the_run_was_started_with(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    stored = "- model=hovernet\n- data=synthetic\n- hparams_search=grid_lr\n"
    (tmp_path / ".hydra" / "overrides.yaml").write_text(stored)
    args = training_command(["--config-dir", "mine", f"resume={tmp_path}", "trainer.max_epochs=7"])
    assert args[:2] == ["--config-dir", "mine"]
    assert args[2:5] == ["model=hovernet", "data=synthetic", "trainer.max_epochs=7"]
    assert f"hydra.run.dir='{tmp_path}'" in args
    assert not any("hparams_search" in a for a in args), "one job of a sweep, not the sweep"


def test_resuming_what_is_not_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="not the folder of a run"):
        training_command([f"resume={tmp_path}"])


def test_a_checkpoint_is_asked_for_unless_only_a_question_is_put() -> None:
    with pytest.raises(SystemExit, match=r"which checkpoint\? Say ckpt="):
        checkpoint_command(["input=a"])
    assert checkpoint_command(["--hydra-help"]) == ["--hydra-help"]


def test_options_may_stand_anywhere() -> None:
    args = ["a=1", "--config-dir", "mine", "+b=2", "-m", "~c", "d/e=f"]
    assert ordered(args) == ["--config-dir", "mine", "-m", "a=1", "+b=2", "~c", "d/e=f"]
