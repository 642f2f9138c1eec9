"""The YAML of each data set builds it: on its fake, through the arguments of each split."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from fakes import dsb2018, folder, pannuke
from test_import_dag import SRC

CONF = SRC.parents[1] / "conf"
WRITE = {
    "pannuke": lambda root: pannuke.write(root / "pannuke", size=32),
    "dsb2018": lambda root: dsb2018.write(root / "dsb2018" / "stage1_train"),
    "folder": lambda root: folder.write(root / "folder"),
}


@pytest.mark.parametrize("name", sorted(WRITE))
def test_the_yaml_builds_the_data_set(tmp_path: Path, name: str) -> None:
    WRITE[name](tmp_path)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(overrides=[f"+data={name}", f"+paths.data={tmp_path}"]).data
    assert len(cfg.classes) == len(cfg.colours)
    assert {"tile", "batch_size", "num_workers", "mpp", "augment"} <= set(cfg)
    seen = []
    for split in ("train", "val", "test"):
        data = instantiate(cfg.dataset)(**cfg.splits[split])
        records = list(data)
        expected = data.provides - (set() if cfg.classes else {"semantic"})
        assert all(set(record) == expected for record in records)
        seen += [record["place"].slide for record in records]
    assert len(seen) == len(set(seen)) >= 4


def test_folder_with_classes_from_the_command_line(tmp_path: Path) -> None:
    folder.write(tmp_path / "folder", "mat")
    given = ["data.classes=[tumour]", "data.mpp=0.25", "data.dataset.class_map={2: 1}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(overrides=["+data=folder", f"+paths.data={tmp_path}", *given]).data
    record = instantiate(cfg.dataset)()[0]
    assert record["semantic"].max() == 1
    assert record["place"].mpp == 0.25
