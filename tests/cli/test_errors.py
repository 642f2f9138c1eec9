"""What goes wrong at the command line ends in one paragraph, and what is our fault in a trace."""

from pathlib import Path

import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf

from histoseg.engine.plain_errors import TRACE, explain, plain_errors
from histoseg.engine.ranks import ranks_to_start
from histoseg.errors import CheckpointError, ContractError
from histoseg.slides import find_images

from .conftest import MINE, Call


def caught(action: object) -> BaseException:
    try:
        action()  # type: ignore[operator]
    except Exception as error:
        return error
    raise AssertionError("no error")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["model.lrr=3"], ["Could not override 'model.lrr'"]),
        (["model=hovernut"], ["Could not find 'model/hovernut'", "hovernet_original"]),
        (["data.batch_size=(3"], ["data.batch_size=(3", "Quote a value"]),
        (["data.tile=100"], ["HoVerNet takes tiles of 256 px", "set data.tile=256"]),
        (["model.margin=3"], ["model: ", "set model.margin=46"]),
        (["data=pannuke"], ["Get fold_", "paths.data"]),
        (["trainer=gpu"], ["trainer: ", "No supported gpu"]),
        (["logger=wandb"], ["logger.wandb", "wandb"]),
        (["data.batch_size=2"], ["say phases.decoders.data.batch_size=2"]),
        (["hydra.run.dir=taken"], ["taken", "File exists"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_mistake_is_answered_in_one_paragraph(
    args: list[str], words: list[str], histoseg_: Call, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    narrow = ["model.network.width=8", "model.network.depths=[1,1,1,1]"]
    complaint = histoseg_("train", "model=hovernet", "data=synthetic", *narrow, *args).complaint
    for word in words:
        assert word in complaint
    assert len(complaint.splitlines()) <= 12


def test_the_trace_is_there_for_who_asks(
    histoseg_: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRACE, "1")
    with pytest.raises(ContractError), plain_errors():
        raise ContractError("as it is")


def test_a_fault_of_the_program_keeps_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError), plain_errors():
        print(1 / 0)  # noqa: T201
    assert explain(ZeroDivisionError()) is None
    assert explain(ValueError("from nowhere")) is None
    assert explain(caught(lambda: int("x"))) is None, "a ValueError that is not ours"
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_NTASKS", "many")
    accident = caught(lambda: ranks_to_start(OmegaConf.create({})))
    assert isinstance(accident, ValueError)
    assert explain(accident) is None, "a ValueError in our code, but not on purpose"


def test_what_our_code_says_on_purpose_is_passed_on(tmp_path: Path) -> None:
    error = caught(lambda: find_images([]))
    assert str(explain(error)).startswith("the list of pictures is empty")
    assert explain(CheckpointError("no such")) == "no such"
    assert explain(caught(lambda: (tmp_path / "no").open())) == (
        f"{tmp_path / 'no'}: No such file or directory"
    )


def test_an_error_while_building_names_the_place_in_the_configuration() -> None:
    config = {"model": {"_target_": "torch.nn.Conv2d", "in_channels": 3}}
    error = caught(lambda: instantiate(config))
    assert isinstance(error, InstantiationException)
    text = str(explain(error))
    assert text.startswith("model: ")
    assert "out_channels" in text
    without_cause = InstantiationException(str(error))  # as a process of a sweep hands it back
    assert "out_channels" in str(explain(without_cause))


def test_ctrl_c_stops_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop, plain_errors():
        raise KeyboardInterrupt
    assert stop.value.code == 130
    assert "stopped" in capsys.readouterr().err


def test_data_of_ones_own_that_lack_something_are_refused(histoseg_: Call) -> None:
    args = ["model=hovernet", "data=discs", "data.tile=256", "model.classes=[a]"]
    complaint = histoseg_("train", *MINE, *args).complaint
    assert "HoVerNet" in complaint
    assert "Discs gives 'image', 'instances'" in complaint
    assert "Data that fit: " in complaint
    assert "synthetic" in complaint
