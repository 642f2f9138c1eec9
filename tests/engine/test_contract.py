from pathlib import Path

import pytest

from conftest import CONF, Compose
from histoseg.engine.contract import check_contract
from histoseg.errors import ContractError


def test_a_model_with_classes_refuses_data_without(composed: Compose) -> None:
    cfg = composed("train", "model=hovernet", "data=dsb2018", "model.classes=[a]", "name=x-dsb2018")
    with pytest.raises(ContractError, match=r"'semantic'; DSB2018 gives .*fit: .*synthetic"):
        check_contract(cfg, Path(CONF))


def test_a_model_without_classes_takes_them(composed: Compose) -> None:
    check_contract(composed("train", "model=hovernet", "data=dsb2018"))


def test_other_classes_are_refused_naming_both(composed: Compose) -> None:
    cfg = composed("train", "model=hovernet", "data=synthetic", "model.classes=[a,b]")
    with pytest.raises(ContractError, match=r"\['a', 'b'\].*neoplastic"):
        check_contract(cfg)


def test_a_tile_smaller_than_the_models_is_refused(composed: Compose) -> None:
    cfg = composed("train", "model=hovernet", "data=synthetic", "data.tile=128")
    with pytest.raises(ContractError, match=r"set data\.tile=256"):
        check_contract(cfg)


def test_a_translator_refuses_data_of_images(composed: Compose) -> None:
    cfg = composed("train", "model=deepliif", "data=synthetic")
    with pytest.raises(ContractError, match=r"needs 'stains'.*fit: .*synthetic_stains"):
        check_contract(cfg, Path(CONF))


def test_a_translator_names_the_stains_that_the_data_lack(composed: Compose) -> None:
    args = ["model=deepliif", "data=synthetic_stains", "model.outputs=[dapi,cd3,seg]"]
    with pytest.raises(ContractError, match=r"\['ihc'\] to \['dapi', 'cd3', 'seg'\].*no cd3"):
        check_contract(composed("train", *args))


def test_classes_of_a_translator_are_its_own(composed: Compose) -> None:
    check_contract(composed("train", "model=deepliif", "data=synthetic_stains", "data.classes=[]"))
