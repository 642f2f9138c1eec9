"""Every YAML of ``conf/`` is composed and built here, without being listed anywhere."""

from pathlib import Path

import pytest
from hydra.errors import ConfigCompositionException
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError

import histoseg.cli.conf
from conftest import CONF, ROOT, Compose, tiny_overrides
from histoseg.cli import VERBS
from histoseg.engine.contract import check_contract
from histoseg.engine.phases import phases
from histoseg.modules.base import Module


def choices(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


PREDICTING = ("pipeline",)  # two models, each with its own recipe: nothing to train
MODELS = [model for model in choices("model") if model not in PREDICTING]
DATA = choices("data")
VARIANTS = ("_original", "_legacy2021", "_newest2026", "_interactive")
GROUPS = (
    "trainer",
    "callbacks",
    "logger",
    "debug",
    "model/optimizer",
    "model/scheduler",
    "model/losses",
    "model/normalise",
)


def fitting_data(model: str) -> str:
    """Data that a model can be tried on without a download."""
    fitting = {
        "hovernet": "synthetic",
        "impartial": "synthetic_scribbles",
        "pixelshuffle": "synthetic",
    }
    return fitting.get(model.partition("_")[0], "synthetic_stains")


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_built_small_and_has_its_companions(model: str, composed: Compose) -> None:
    variant = next((v for v in VARIANTS if model.endswith(v)), "")
    name = model.removesuffix(variant)
    for companion in (f"docs/models/{name}.md", f"src/histoseg/modules/{name}.py"):
        assert (ROOT / companion).is_file(), f"add {companion}"
    cfg = composed("train", f"model={model}", f"data={fitting_data(model)}", tiny=model)
    check_contract(cfg)
    for phase in phases(cfg):
        assert isinstance(instantiate(phase.model), Module)


@pytest.mark.parametrize("data", DATA)
def test_data_compose_and_have_their_companions(data: str, composed: Compose) -> None:
    cfg = composed("view", f"data={data}")
    module = get_class(cfg.data.dataset._target_).__module__.replace(".", "/")
    for companion in (f"docs/data/{data}.md", f"src/{module}.py"):
        assert (ROOT / companion).is_file(), f"add {companion}"
    OmegaConf.to_container(cfg.data, resolve=True)
    assert cfg.data.tile > 0
    assert len(cfg.data.colours) in (0, len(cfg.data.classes))


@pytest.mark.parametrize("augment", choices("data/augment"))
def test_augmentations_are_built(augment: str, composed: Compose) -> None:
    cfg = composed("view", "data=synthetic", f"data/augment={augment}")
    assert callable(instantiate(cfg.data.augment))


@pytest.mark.parametrize("sampling", choices("data/sampling"))
def test_samplings_are_built(sampling: str, composed: Compose) -> None:
    cfg = composed("view", "data=synthetic", f"data/sampling={sampling}")
    assert callable(instantiate(cfg.data.sampling).weights)


@pytest.mark.parametrize("data", DATA)
def test_all_data_to_train_on_can_be_sampled_by_choice(data: str, composed: Compose) -> None:
    plain = composed("view", f"data={data}").data
    if "train" not in plain.splits:
        return
    assert "sampling" in plain, f"add `- sampling: uniform` to the defaults of data/{data}.yaml"
    assert list(plain.sampling.by) == []
    cfg = composed("view", f"data={data}", "data/sampling=classes_and_tissues")
    assert list(cfg.data.sampling.by) == ["classes", "tissues"]


@pytest.mark.parametrize(
    ("group", "choice"),
    [(group, choice) for group in GROUPS for choice in choices(group)],
)
def test_every_choice_of_a_group_composes(group: str, choice: str, composed: Compose) -> None:
    cfg = composed("train", "model=hovernet", "data=synthetic", f"{group}={choice}")
    node = OmegaConf.select(cfg, group.replace("/", "."))
    if node is not None:
        OmegaConf.to_container(node, resolve=True)


@pytest.mark.parametrize(
    ("group", "choice"),
    [
        (group, choice)
        for group in ("seg_weights", "features")
        for choice in choices(f"model/{group}")
    ],
)
def test_every_choice_of_a_translator_composes(group: str, choice: str, composed: Compose) -> None:
    cfg = composed("train", "model=deepliif", "data=synthetic_stains", f"model/{group}={choice}")
    assert group in cfg.model
    OmegaConf.to_container(cfg.model, resolve=True)


@pytest.mark.parametrize("objective", choices("model/objective"))
def test_every_objective_of_impartial_is_built(objective: str, composed: Compose) -> None:
    own = ("model=impartial", "data=synthetic_scribbles", f"model/objective={objective}")
    assert isinstance(instantiate(composed("train", *own, tiny="impartial").model), Module)


@pytest.mark.parametrize("callbacks", choices("callbacks"))
def test_callbacks_are_built(callbacks: str, composed: Compose) -> None:
    cfg = composed("train", "model=hovernet", "data=synthetic", f"callbacks={callbacks}")
    instantiate(cfg.callbacks)


@pytest.mark.parametrize("logger", ["csv", "tensorboard", "none"])
def test_loggers_are_built(logger: str, composed: Compose) -> None:
    cfg = composed("train", "model=hovernet", "data=synthetic", f"logger={logger}")
    instantiate(cfg.logger)


@pytest.mark.parametrize("experiment", choices("experiment"))
def test_an_experiment_says_its_question_command_cost_and_expectation(
    experiment: str, composed: Compose
) -> None:
    header = (CONF / "experiment" / f"{experiment}.yaml").read_text().split("defaults:")[0]
    for word in ("Question:", "Command:", "Cost:", "Expect:"):
        assert word in header, f"{experiment}.yaml: say {word} in its header"
    cfg = composed("train", f"experiment={experiment}")
    check_contract(cfg)
    for phase in phases(cfg):
        OmegaConf.to_container(phase, resolve=True)


def test_a_typo_is_refused(composed: Compose) -> None:
    with pytest.raises(ConfigCompositionException, match="Could not override"):
        composed("train", "model=hovernet", "data=synthetic", "model.lrr=3")


def test_an_unknown_choice_lists_what_there_is(composed: Compose) -> None:
    with pytest.raises(Exception, match="hovernet_original"):
        composed("train", "model=hovernut", "data=synthetic")


def test_a_typo_in_a_phase_is_refused(composed: Compose) -> None:
    cfg = composed("train", "model=hovernet", "data=synthetic", "+phases.all.model.freez=1")
    with pytest.raises((ConfigAttributeError, KeyError), match="freez"):
        list(phases(cfg))


def test_no_yaml_but_those_of_groups_and_commands() -> None:
    roots = {path.stem for path in CONF.glob("*.yaml")}
    assert roots == set(VERBS), "each verb has one root configuration of its name"


def test_tiny_overrides_exist_for_every_model() -> None:
    for model in MODELS:
        assert tiny_overrides(model)


def test_configurations_lie_where_the_command_line_looks() -> None:
    assert Path(histoseg.cli.conf.CONF) == CONF


def test_writers_that_are_off_by_default_are_built(composed: Compose) -> None:
    added = choices("writers")
    cfg = composed("predict", "model=hovernet", "data=synthetic", f"+writers=[{','.join(added)}]")
    writers = instantiate(cfg.writers)
    assert set(added) < set(writers)
    assert all(map(callable, writers.values()))
