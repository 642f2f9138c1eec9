"""The data set that README.md shows is one: its code and its YAML train a model."""

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from conftest import CONF, ROOT, tiny_overrides
from documents import files
from fakes.discs import discs
from histoseg.engine import checkpoint
from histoseg.engine.contract import check_contract

NAME = "histoseg.data.my_tiles"


@pytest.fixture
def readme_module(tmp_path: Path) -> Iterator[None]:
    (path, code), *_ = files(ROOT / "README.md", "python").items()
    assert path == f"src/{NAME.replace('.', '/')}.py"
    file = tmp_path / "my_tiles.py"
    file.write_text(code)
    spec = importlib.util.spec_from_file_location(NAME, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    yield
    del sys.modules[NAME]


@pytest.mark.usefixtures("readme_module")
def test_the_example_of_the_readme_trains(tmp_path: Path) -> None:
    ((path, text),) = files(ROOT / "README.md", "yaml").items()
    shutil.copytree(CONF, tmp_path / "conf")
    (tmp_path / path).write_text(text)
    for split in ("train", "val", "test"):
        folder = tmp_path / "my_tiles" / split
        folder.mkdir(parents=True)
        for number in range(2):
            image, instances = discs(number, 140, 140, 9)
            np.savez(folder / f"{split}{number}.npz", image=image, instances=instances)
    given = ["model=hovernet", "data=my_tiles", "name=readme", f"paths.data={tmp_path}"]
    small = [*tiny_overrides("hovernet"), "data.batch_size=2", "data.num_workers=0"]
    with initialize_config_dir(str(tmp_path / "conf"), version_base="1.3"):
        cfg = compose("train", [*given, *small, f"paths.run={tmp_path / 'run'}"])
    check_contract(cfg)
    module, data = checkpoint.build(cfg), instantiate(cfg.data)
    (packed,) = data.train_dataloader()
    batch = data.on_after_batch_transfer(packed, 0)
    loss = module.losses(batch, module(batch))["loss"]
    loss.backward()
    assert loss.item() > 0
    assert [len(list(load())) for load in (data.val_dataloader, data.test_dataloader)] == [1, 2]
