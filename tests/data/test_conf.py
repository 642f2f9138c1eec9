"""The YAML of each data set builds it: on its fake, through the arguments of each split."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from fakes import (
    annotations,
    bci,
    conic,
    consep,
    cpm15,
    cpm17,
    deepliif_strips,
    dsb2018,
    endonuke,
    folder,
    kumar,
    lizard,
    monusac,
    monuseg,
    nucls,
    nucls_joined,
    nuinsseg,
    pannuke,
    patches,
    stacks,
    tnbc,
    unpaired,
)
from fakes.discs import discs
from histoseg.engine.prepare import prepare
from test_import_dag import SRC

CONF = SRC.parents[1] / "conf"
WRITE = {
    "pannuke": lambda root: pannuke.write(root / "pannuke", size=32),
    "dsb2018": lambda root: dsb2018.write(root / "dsb2018" / "stage1_train"),
    "deepliif_strips": lambda root: deepliif_strips.write(root / "deepliif_strips"),
    "folder": lambda root: folder.write(root / "folder"),
    "patches": lambda root: patches.write(root / "patches" / "consep"),
    "consep": lambda root: prepared(root, "consep", consep.write),
    "consep7": lambda root: prepared(root, "consep", consep.write),
    "kumar": lambda root: prepared(root, "kumar", kumar.write),
    "monuseg": lambda root: prepared(root, "monuseg", monuseg.write),
    "cpm15": lambda root: prepared(root, "cpm15", cpm15.write),
    "cpm17": lambda root: prepared(root, "cpm17", cpm17.write),
    "annotations": lambda root: own(root),
    "tnbc": lambda root: prepared(root, "tnbc", lambda raw: tnbc.write(raw, patients=5)),
    "monusac": lambda root: prepared(root, "monusac", monusac.write),
    "lizard": lambda root: prepared(root, "lizard", lizard.write),
    "conic": lambda root: prepared(root, "conic", conic.write),
    "nuinsseg": lambda root: prepared(root, "nuinsseg", nuinsseg.write),
    "nucls": lambda root: prepared(root, "nucls", nucls.write),
    "nucls_joined": lambda root: prepared(root, "nucls_joined", nucls_joined.write),
    "endonuke": lambda root: prepared(root, "endonuke", endonuke.write),
    "unpaired": lambda root: unpaired.write(root / "unpaired"),
    "bci": lambda root: bci.write(root / "bci", train=4, side=1024),
    "loading_codes": lambda root: stacks.write(root / "loading_codes"),
    "subimages": lambda root: stacks.write(root / "subimages"),
    "endonuke_pannuke": lambda root: (
        prepared(root, "endonuke", endonuke.write),
        pannuke.write(root / "pannuke", size=32),
    ),
}


def prepared(root: Path, name: str, write: Callable[[Path], object]) -> None:
    """A small set as published, prepared as ``histoseg prepare data=<name>`` does it."""
    write(root / "raw" / name)
    given = [f"data={name}", f"paths.data={root}", "download=false", "prepare.expected.counts=null"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        prepare(compose("prepare", overrides=given))


def own(root: Path) -> None:
    """Drawings, prepared as ``histoseg prepare annotations=...`` does it."""
    annotations.write(root)
    given = ["data=annotations", f"annotations={root}/qupath", f"images={root}/images"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        prepare(compose("prepare", overrides=[*given, f"paths.data={root}"]))


@pytest.mark.parametrize("name", sorted(WRITE))
def test_the_yaml_builds_the_data_set(tmp_path: Path, name: str) -> None:
    WRITE[name](tmp_path)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(overrides=[f"+data={name}", f"+paths.data={tmp_path}", "+seed=0"]).data
    assert len(cfg.classes) == len(cfg.colours)
    assert {"tile", "batch_size", "num_workers", "mpp", "augment"} <= set(cfg)
    seen = []
    module = instantiate(cfg)
    for split in module.splits:
        data = module.records(split)
        records = list(data)
        expected = data.provides - (set() if cfg.classes else {"semantic"})
        assert all(set(record) - {"ignore"} == expected for record in records)
        seen += [record["place"].slide for record in records]
    assert len(seen) == len(set(seen)) >= 4


def test_a_set_that_ignores_parts_says_so_in_every_record(tmp_path: Path) -> None:
    for name, split, some in (("nuinsseg", "train", True), ("monusac", "train", False)):
        WRITE[name](tmp_path)
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose(overrides=[f"+data={name}", f"+paths.data={tmp_path}"]).data
        records = list(instantiate(cfg.dataset)(**cfg.splits[split]))
        assert all(record["ignore"].shape == record["instances"].shape for record in records)
        assert any(record["ignore"].any() for record in records) == some


def test_nucls_merges_its_raw_classes_into_four(tmp_path: Path) -> None:
    WRITE["nucls"](tmp_path)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(overrides=["+data=nucls", f"+paths.data={tmp_path}"]).data
    record = instantiate(cfg.dataset)(**cfg.splits.test)[0]  # slide 0, nuclei in the order of NAMES
    _, instances = discs(0, 64, 72, len(nucls.NAMES))
    found = [int(record["semantic"][instances == n].max()) for n in range(1, 9)]
    assert found == [1, 3, 0, 2, 0, 3, 4, 0], "boxed, unlabeled and apoptotic ones have none"


def test_folder_with_classes_from_the_command_line(tmp_path: Path) -> None:
    folder.write(tmp_path / "folder", "mat")
    given = ["data.classes=[tumour]", "data.mpp=0.25", "data.dataset.class_map={2: 1}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(overrides=["+data=folder", f"+paths.data={tmp_path}", *given]).data
    record = instantiate(cfg.dataset)()[0]
    assert record["semantic"].max() == 1
    assert record["place"].mpp == 0.25


def test_every_data_set_on_disk_has_a_fake() -> None:
    on_disk = {path.stem for path in (CONF / "data").glob("*.yaml")}
    on_disk -= {"synthetic", "synthetic_stains", "synthetic_scribbles"}
    assert on_disk == set(WRITE), "add tests/fakes/<name>.py, and its line above"


def test_consep_merges_its_seven_classes_into_four(tmp_path: Path) -> None:
    WRITE["consep"](tmp_path)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(overrides=["+data=consep", f"+paths.data={tmp_path}"]).data
    record = instantiate(cfg.dataset)(**cfg.splits.test)[0]
    merged = {1: 1, 2: 2, 3: 3, 4: 3, 5: 4, 6: 4, 7: 4}  # misc, inflammatory, epithelial, spindle
    nuclei = record["instances"] > 0
    pairs = set(zip(record["instances"][nuclei], record["semantic"][nuclei], strict=True))
    assert pairs == set(merged.items())


def test_tiles_per_image_makes_an_epoch_longer_and_its_tiles_differ(tmp_path: Path) -> None:
    WRITE["consep"](tmp_path)
    given = ["data.tile=32", "data.tiles_per_image=5", "data.batch_size=15", "data.num_workers=0"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        fixed = ["+data=consep", f"+paths.data={tmp_path}", "+seed=0"]
        cfg = compose(overrides=[*fixed, *given]).data
    module = instantiate(cfg)
    (batch,) = module.train_dataloader()  # 3 images of Train, 5 tiles each
    assert sorted(Counter(batch["place"].slide).values()) == [5, 5, 5]
    assert len({tile.numpy().tobytes() for tile in batch["image"]}) == 15
    assert len(list(module.val_dataloader())) == 1
    assert sum(len(b["image"]) for b in module.test_dataloader()) == 2


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_pannuke_has_the_published_rotations(tmp_path: Path, fold: int) -> None:
    pannuke.write(tmp_path / "pannuke", images=2, size=32)
    fixed = ["+data=pannuke", f"+paths.data={tmp_path}", "+seed=0", f"data.fold={fold}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        module = instantiate(compose(overrides=fixed).data)
        own = [*fixed, f"data.splits.{fold}.train.folds=[1,2,3]"]
        wider = instantiate(compose(overrides=own).data)
    folds = [module.records(split).folds for split in ("train", "val", "test")]
    assert folds == {1: [(1,), (2,), (3,)], 2: [(2,), (1,), (3,)], 3: [(3,), (2,), (1,)]}[fold]
    assert len(wider.records("train")) == 6


def test_a_fold_that_is_not_there_is_told(tmp_path: Path) -> None:
    given = ["+data=pannuke", f"+paths.data={tmp_path}", "+seed=0", "data.fold=4"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(overrides=given).data
    with pytest.raises(InstantiationException, match="fold is 4; these data have folds 1, 2, 3"):
        instantiate(cfg)
