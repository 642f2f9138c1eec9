import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import ROOT
from histoseg.cli import VERBS

from .conftest import Call


def python(*args: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *args]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_help_takes_less_than_a_second_and_lists_the_verbs() -> None:
    start = time.perf_counter()
    said = python("-m", "histoseg", "--help")
    assert time.perf_counter() - start < 1
    assert said.returncode == 0
    assert all(verb in said.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", ["--help", "train", "predict"])
def test_help_does_not_wait_for_torch(verb: str) -> None:
    code = (
        f"import sys; sys.argv = ['histoseg', {verb!r}, '--help']; import histoseg.cli;"
        "histoseg.cli.main(); sys.exit('torch' in sys.modules)"
    )
    assert python("-c", code).returncode == 0


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_shows_its_choices_and_settings(verb: str, histoseg_: Call) -> None:
    said = histoseg_(verb, "--help")
    assert said.code == 0
    assert VERBS[verb] in said.out
    # from files to files there are no data to choose
    files = {"analyse": "input", "convert": "input", "check": "input", "score_ihc": "input"}
    files |= {"register": "fixed", "compare": "runs", "report": "run"}
    assert ("consep" in said.out) != (verb in files), "a choice"
    assert (f"{files[verb]}: ???" if verb in files else "seed: 0") in said.out, "a setting"
    assert "\n  hydra:" not in said.out, "what no user sets"


def test_no_verb_at_all_is_a_question_for_help(histoseg_: Call) -> None:
    assert histoseg_().out == histoseg_("--help").out


def test_an_unknown_verb_lists_the_verbs(histoseg_: Call) -> None:
    complaint = histoseg_("trian", "model=hovernet").complaint
    assert "'trian'" in complaint
    assert all(verb in complaint for verb in VERBS)


def test_the_door_called_bare_names_what_is_missing_at_once() -> None:
    start = time.perf_counter()
    said = python("train.py")
    assert time.perf_counter() - start < 2
    assert said.returncode == 1
    assert "model and data missing" in said.stderr
    assert "synthetic" in said.stderr


def test_every_setting_can_be_shown_without_running(histoseg_: Call) -> None:
    said = histoseg_("train", "model=hovernet", "data=synthetic", "--cfg", "job", "seed=7")
    assert said.code == 0
    assert "seed: 7" in said.out
    assert "_target_: histoseg.modules.HoVerNet" in said.out
