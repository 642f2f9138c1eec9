"""Crops of EndoNuke's tiles, and its images beside those of PanNuke."""

from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate

from conftest import Compose
from fakes import endonuke as fake
from fakes import pannuke
from histoseg.data import EndoNuke, PanNuke, UnpairedSets
from histoseg.errors import ContractError
from histoseg.prepare import EndoNuke as Source
from histoseg.prepare import Facts, Store, convert

CLASSES = ("stroma", "epithelium", "other")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("endonuke")
    store = Store(
        folder / "endonuke", Facts("endonuke", CLASSES, tuple((k, k, k) for k in range(3)))
    )
    convert(list(Source().items(fake.write(folder / "raw"))), store)
    store.finish()
    pannuke.write(folder / "pannuke", images=3, size=64)
    return folder


def test_three_crops_of_a_tile_with_their_points(root: Path) -> None:
    whole = EndoNuke(root / "endonuke", CLASSES, resample=0.25)
    data = EndoNuke(root / "endonuke", CLASSES, resample=0.25, crops=256)
    assert len(data) == 3 * len(whole)
    assert data.ids[:3] == ("1_crop1", "1_crop2", "1_crop3")
    tile = whole.read("1")
    corners = {"1_crop1": (144, 0), "1_crop2": (0, 0), "1_crop3": (72, 144)}
    for name, (x, y) in corners.items():
        record = data.read(name)
        np.testing.assert_array_equal(record["image"], tile["image"][y : y + 256, x : x + 256])
        assert record["place"] == (name, x, y, 0.25)
        moved = tile["points"] - np.array([x, y, 0], np.float32)
        near = ((np.rint(moved[:, :2]) >= 0) & (np.rint(moved[:, :2]) < 256)).all(axis=1)
        np.testing.assert_array_equal(record["points"], moved[near])
        assert 0 < near.sum() < len(near)
        assert record["points"].dtype == np.float32
        assert data.rows[name]["split"] == "ptg1"
    counts = data.class_counts()
    assert counts.shape == (15, 3)
    assert counts[0].sum() == len(data.read("1_crop1")["points"])
    np.testing.assert_array_equal(whole.class_counts().sum(axis=1), 20)


def test_crops_of_a_tile_are_of_one_split(root: Path) -> None:
    shares = {"train": 0.4, "val": 0.2, "test": 0.4}
    parts = [
        EndoNuke(root / "endonuke", crops=64, split=split, fractions=shares) for split in shares
    ]
    tiles = [{name.split("_")[0] for name in part.ids} for part in parts]
    assert [len(part) for part in parts] == [6, 3, 6]
    assert set.union(*tiles) == set("12345")
    assert sum(map(len, tiles)) == 5


def test_a_crop_larger_than_its_tile_is_told(root: Path) -> None:
    data = EndoNuke(root / "endonuke", crops=256)
    with pytest.raises(ContractError, match=r"tile 1 is 200 x 200 px .* set data\.mpp=0\.25"):
        data[0]


def test_sets_of_any_kind_become_stains(root: Path) -> None:
    sets = {
        "ihc": lambda **split: EndoNuke(root / "endonuke", crops=64, **split),
        "he": lambda **split: PanNuke(root / "pannuke", **split),
    }
    data = UnpairedSets(sets, ihc={"published": "ptg1"}, he={"folds": [1]})
    assert data.ids == (
        "1_crop1+0",
        "1_crop2+1",
        "1_crop3+2",
        "2_crop1+0",
        "2_crop2+1",
        "2_crop3+2",
    )
    stains = data[4]["stains"]
    np.testing.assert_array_equal(stains["he"], PanNuke(root / "pannuke", folds=[1])[1]["image"])
    assert stains["ihc"].shape == (64, 64, 3)
    drawn = {data.drawn(0, seed)["stains"]["he"].tobytes() for seed in range(20)}
    assert len(drawn) == 3
    with pytest.raises(ContractError, match=r"names \['ich'\]"):
        UnpairedSets(sets, ich={})


def test_the_configuration_trains_on_crops_at_one_resolution(root: Path, composed: Compose) -> None:
    given = [f"paths.data={root}", "data.num_workers=0", "data.tile=64"]
    data = instantiate(composed("view", "data=endonuke_pannuke", *given).data)
    for batch in data.train_dataloader():
        assert {tuple(p.shape) for p in batch["stains"].values()} == {(1, 3, 64, 64)}
    assert data.records("train")[0]["stains"]["ihc"].shape == (256, 256, 3)
