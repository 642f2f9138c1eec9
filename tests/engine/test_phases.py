import pytest
from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError

from conftest import Compose
from histoseg.engine.phases import check_overrides, phases

CFG = {
    "phase": "fit",
    "paths": {"run": "here", "phase": "here"},
    "model": {"freeze": False, "lr": 1},
    "data": {"batch_size": 8},
}


def test_a_run_without_phases_is_one_phase_called_fit() -> None:
    (only,) = phases(OmegaConf.create(CFG))
    assert only.phase == "fit"
    assert only.paths.phase == "here/fit"


def test_each_phase_is_the_run_with_its_differences() -> None:
    cfg = OmegaConf.create(
        {**CFG, "phases": {"a": {"model": {"freeze": True}}, "b": {"data": {"batch_size": 2}}}}
    )
    a, b = phases(cfg)
    assert (a.phase, a.model.freeze, a.data.batch_size) == ("a", True, 8)
    assert (b.phase, b.model.freeze, b.data.batch_size) == ("b", False, 2)
    assert cfg.model.freeze is False, "the run's own configuration is left alone"


def test_a_typo_inside_a_phase_is_refused() -> None:
    cfg = OmegaConf.create({**CFG, "phases": {"a": {"model": {"freez": True}}}})
    with pytest.raises(ConfigKeyError, match="freez"):
        list(phases(cfg))


def test_an_override_that_a_phase_would_undo_is_refused_naming_the_right_one() -> None:
    cfg = OmegaConf.create({**CFG, "phases": {"a": {"data": {"batch_size": 2}}, "b": {}}})
    with pytest.raises(ValueError, match=r"say phases\.a\.data\.batch_size=16"):
        check_overrides(cfg, ["data.batch_size=16"])
    cfg.every_phase = {"model": {"lr": 3}}
    with pytest.raises(ValueError, match=r"say every_phase\.model\.lr=2"):
        check_overrides(cfg, ["model.lr=2"])
    cfg.every_phase = {}
    check_overrides(cfg, ["data=pannuke", "model.lr=2", "phases.a.data.batch_size=16"])


def test_what_every_phase_sets_beats_each() -> None:
    phase = {"a": {"data": {"batch_size": 2}}}
    cfg = OmegaConf.create({**CFG, "phases": phase, "every_phase": {"data": {"batch_size": 1}}})
    (only,) = phases(cfg)
    assert only.data.batch_size == 1


@pytest.mark.parametrize("experiment", ["demo", "hovernet_pannuke"])
def test_a_smoke_test_of_an_experiment_is_short(experiment: str, composed: Compose) -> None:
    cfg = composed("train", f"experiment={experiment}", "debug=smoke")
    assert {phase.trainer.max_epochs for phase in phases(cfg)} == {1}
    assert {phase.trainer.limit_train_batches for phase in phases(cfg)} == {2}
