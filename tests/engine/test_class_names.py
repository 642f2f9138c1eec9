"""``type_info=<file>``: names and colours in place of the configured ones."""

from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from conftest import Compose
from fakes import folder
from histoseg.engine import checkpoint
from histoseg.engine.class_names import name_classes
from histoseg.engine.contract import check_contract
from histoseg.errors import ContractError
from histoseg.writers import write_type_info

NAMES = ["one", "two", "three", "four", "five"]
COLOURS = [[k, 0, 0] for k in range(5)]


def info(folder: Path, count: int = 5) -> str:
    return f"type_info='{write_type_info(folder, NAMES[:count], COLOURS[:count])}'"


def test_it_names_data_and_model_and_the_data_set_keeps_its_own(
    composed: Compose, tmp_path: Path
) -> None:
    cfg = composed("train", "model=hovernet", "data=pannuke", info(tmp_path), tiny="hovernet")
    own = list(cfg.data.classes)
    for _ in range(2):
        name_classes(cfg)
        for node in (cfg.data, cfg.model, cfg.model.metrics.classes):
            assert list(node.classes) == NAMES
        assert [list(c) for c in cfg.model.colours] == COLOURS
        assert list(cfg.data.dataset.classes) == own
        check_contract(cfg)
    module = checkpoint.build(cfg)
    assert module.classes == tuple(NAMES)
    assert module.colours == tuple(map(tuple, COLOURS))
    assert module.val_scores["classes"].classes == tuple(NAMES)


def test_it_names_the_classes_of_own_data(composed: Compose, tmp_path: Path) -> None:
    root = folder.write(tmp_path / "folder")
    given = [f"paths.data='{tmp_path}'", f"data.dataset.semantic='{root}/semantic'"]
    cfg = composed("view", "data=folder", *given, info(tmp_path, 2))
    name_classes(cfg)
    assert list(cfg.data.classes) == NAMES[:2]
    record = instantiate(cfg.data.dataset)(split=None)[0]
    assert record["semantic"].max() == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["data=pannuke"], "names 3 classes.*data set has 5: give a file with ids 0..5"),
        (["data=dsb2018", "model.classes=[]"], "model has 0: leave type_info out"),
        (["data=dsb2018", "model.classes=[a]"], "model has 1: give a file with ids 0..1"),
    ],
)
def test_another_number_of_classes_is_refused(
    composed: Compose, tmp_path: Path, given: list[str], words: str
) -> None:
    cfg = composed("train", "model=hovernet", *given, info(tmp_path, 3))
    with pytest.raises(ContractError, match=words):
        name_classes(cfg)


def test_without_it_nothing_changes(composed: Compose) -> None:
    cfg = composed("train", "model=hovernet", "data=pannuke")
    before = OmegaConf.to_container(cfg)
    name_classes(cfg)
    assert OmegaConf.to_container(cfg) == before
