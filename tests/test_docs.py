"""What the pages tell a reader to type exists: commands compose, links lead somewhere."""

import re
import shlex
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from conftest import CONF, ROOT
from documents import PAGES, blocks, files
from histoseg.cli.prepare import preparing_command
from histoseg.engine.phases import check_overrides, phases

TRANSLATORS = ("cyclegan", "deepliif", "pix2pix")
DOORS = {"python train.py": "train", "histoseg": None}  # None: the next word says the verb
HEADER = re.compile(r"^# Command:\s+(.*)", re.MULTILINE)  # of a recipe
PLACEHOLDER = re.compile(r"<[^>]+>")
OPTIONS = re.compile(r"\s(-m|--multirun|--cfg job)(?=\s|$)")


class Command(NamedTuple):
    """A line of a page: its verb, its overrides, and what a checkpoint there is of."""

    verb: str
    overrides: list[str]
    model: str
    data: str


def commands() -> dict[str, Command]:
    """Every command by its line; what stands in <...> becomes a word."""
    found = {}
    for page in [*PAGES, *CONF.glob("experiment/*.yaml")]:
        model, data = "hovernet", page.stem if page.parent.name == "data" else "pannuke"
        if page.parent.name == "models" and page.stem in TRANSLATORS:
            model, data = page.stem, "synthetic_stains"
        for block in (*blocks(page, "bash"), *HEADER.findall(page.read_text())):
            for line in block.splitlines():
                door = next((d for d in DOORS if line.startswith(f"{d} ")), None)
                if door is not None:
                    typed = PLACEHOLDER.sub("placeholder", OPTIONS.sub("", line))
                    words = shlex.split(typed.removeprefix(door), comments=True)
                    found[line] = Command(DOORS[door] or words.pop(0), words, model, data)
    return found


COMMANDS = commands()


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The configuration, with the files that the pages tell a reader to write."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(CONF, folder / "conf")
    for page in PAGES:
        for path, text in files(page, "yaml").items():
            (folder / path).write_text(text)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(folder / "conf"), version_base="1.3"):
        yield
    for group in ("model", "data"):
        ConfigStore.instance().repo.pop(group, None)


def offer_checkpoint(model: str, data: str) -> None:
    """What ``ckpt=`` would offer: a model trained on these data."""
    for group, node in stored_config(model, data).items():
        ConfigStore.instance().store(name="from_checkpoint", node=node, group=group)


@cache
def stored_config(model: str, data: str) -> dict[str, DictConfig]:
    """Model and data as a checkpoint holds them."""
    cfg = compose("train", [f"model={model}", f"data={data}", "name=stored", "paths.run=."])
    groups = ("model", "data")
    return {g: OmegaConf.create(OmegaConf.to_container(cfg[g], resolve=True)) for g in groups}


def first_of_sweep(override: str) -> str:
    """``seed=0,1`` as the first job of the sweep sees it."""
    parsed = OverridesParser.create().parse_override(override)
    if not parsed.is_sweep_override():
        return override
    return f"{parsed.get_key_element()}={next(parsed.sweep_string_iterator())}"


def composed(verb: str, overrides: list[str]) -> DictConfig:
    overrides = [first_of_sweep(o) for o in overrides if not o.startswith("hydra.")]
    if any(o.startswith("resume=") for o in overrides):  # brings model and data of its run
        overrides += ["model=hovernet", "data=pannuke"]
    if verb == "prepare":
        overrides = preparing_command(overrides)
    cfg = compose(verb, [*overrides, "name=docs", "paths.run=."])
    if verb == "train":
        check_overrides(cfg, overrides)
    return cfg


@pytest.mark.usefixtures("conf")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_pages_composes(command: str) -> None:
    verb, overrides, model, data = COMMANDS[command]
    if verb in ("evaluate", "export", "predict", "synthesise"):
        offer_checkpoint(model, data)
    assert (ROOT / "src" / "histoseg" / "cli" / f"{verb}.py").is_file(), f"no verb {verb}"
    cfg = composed(verb, overrides)
    for phase in phases(cfg) if verb == "train" else [cfg]:
        node = phase.get("data") or phase.get("model") or OmegaConf.create()
        OmegaConf.to_container(node, resolve=True)


@pytest.mark.usefixtures("conf")
def test_a_command_that_is_wrong_would_be_found() -> None:
    with pytest.raises(Exception, match=r"trainer\.epochs"):
        composed("train", ["model=hovernet", "data=pannuke", "trainer.epochs=3"])
    with pytest.raises(ValueError, match=r"phases\.all\.data\.batch_size=2"):
        composed("train", ["model=hovernet", "data=pannuke", "data.batch_size=2"])
    assert first_of_sweep("model.optimizer.lr=1e-4,3e-4") == "model.optimizer.lr=0.0001"


def test_the_pages_have_commands() -> None:
    assert {command.verb for command in COMMANDS.values()} == {
        "compare",
        "explore",
        "lr_find",
        "report",
        "check",
        "convert",
        "analyse",
        "prepare",
        "train",
        "evaluate",
        "export",
        "patches",
        "predict",
        "register",
        "score",
        "score_ihc",
        "synthesise",
        "view",
    }
    assert len(COMMANDS) > 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{target} is not there"


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for block in blocks(page, "bash"):
            named = set(re.findall(r"^make ([a-z-]+)", block, re.MULTILINE))
            assert named <= targets, f"{page.name}: no make {named - targets}"


def test_every_recipe_is_in_the_table_of_experiments() -> None:
    table = (ROOT / "experiments" / "README.md").read_text()
    for path in (CONF / "experiment").glob("*.yaml"):
        assert f"| `{path.stem}` |" in table, f"add {path.stem} to experiments/README.md"


def settings_of(model: str) -> list[str]:
    """Every key of a model's configuration, and every group it has."""
    cfg = OmegaConf.load(CONF / "model" / f"{model}.yaml")
    names = [key for key in cfg if key not in ("defaults", "_target_", "network")]
    names += [f"network.{key}" for key in cfg.network if not key.startswith("_")]
    return names + [
        g for entry in cfg.defaults if entry != "_self_" for g in entry if not g.startswith("/")
    ]


CARDS = ["hovernet", "deepliif", "ihc_generator", "cyclegan", "pix2pix", "pixelshuffle_unet"]


@pytest.mark.parametrize("model", CARDS)
def test_every_setting_of_the_model_is_in_its_card(model: str) -> None:
    card = (ROOT / "docs" / "models" / f"{model}.md").read_text()
    assert [name for name in settings_of(model) if f"`{name}`" not in card] == []


def test_every_term_of_the_loss_is_in_the_card() -> None:
    card = (ROOT / "docs" / "models" / "hovernet.md").read_text()
    terms = OmegaConf.load(CONF / "model" / "losses" / "published.yaml").weights
    assert [term for term in terms if term not in card] == []
