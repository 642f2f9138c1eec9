import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from conftest import Compose
from fakes import stacks
from histoseg.data import Loading, LoadingCodes, TileDataModule
from histoseg.data.datamodule import Tiles
from histoseg.data.draws import Draw
from histoseg.engine.contract import check_contract
from histoseg.engine.data import build_data
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError

RANDOM = {"op": "random", "channels": [1, 2, 3, 4, 5]}


def opened(root: Path, codes: tuple[Any, ...] = (0, 3, 6), **settings: Any) -> LoadingCodes:
    return LoadingCodes(root, Loading(list(codes)), ["cell"], **settings)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stacks.write(tmp_path_factory.mktemp("set"), 16)


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A set of one stack, to break."""
    stacks.put(tmp_path, "a", *stacks.stack(0))
    return tmp_path


def test_items_are_stacks_with_their_masks(root: Path) -> None:
    data = opened(root)
    assert data.ids[:3] == ("day0__s0", "day10__s10", "day11__s11")
    record = data[0]
    assert record["image"].shape == (80, 72, 3)
    assert record["image"].max() == 1
    assert record["semantic"].dtype == np.uint8
    assert record["instances"].max() == 6
    np.testing.assert_array_equal(record["instances"] > 0, record["semantic"] > 0)
    assert record["place"].slide == "day0__s0"
    assert not data[2]["semantic"].any()


def test_groups_stay_together_and_negatives_are_shared_out(root: Path, tmp_path: Path) -> None:
    keep = tmp_path / "split.json"
    parts = [opened(root, split=s, split_file=keep).ids for s in ("train", "val", "test")]
    assert sorted(i for part in parts for i in part) == sorted(opened(root).ids)
    negative = {f"day{n}__s{n}" for n in range(16) if n % 4 == 3}
    assert [len(negative & set(part)) for part in parts] == [2, 1, 1]
    assert [len(part) for part in parts] == [10, 2, 4]
    again = opened(root, split="test", split_file=keep)
    assert again.ids == parts[2] == opened(root, split="test").ids


def test_stacks_of_a_folder_are_one_group(tmp_path: Path) -> None:
    for folder in "abc":
        for name in "12":
            stacks.put(tmp_path, f"{folder}/{name}", *stacks.stack(0))
    ids = opened(tmp_path, split="train", fractions={"train": 0.67, "test": 0.33}).ids
    assert len(ids) == 4
    assert len({i.split("__")[0] for i in ids}) == 2


def test_training_draws_by_the_seed_and_evaluation_does_not(root: Path) -> None:
    train = opened(root, (RANDOM, RANDOM), training=True)
    same = [train.seeded(0, 7)["image"] for _ in range(2)]
    np.testing.assert_array_equal(*same)
    others = {train.seeded(0, seed)["image"].tobytes() for seed in range(12)}
    assert len(others) > 5
    evaluated = opened(root, (RANDOM, RANDOM))
    np.testing.assert_array_equal(evaluated.seeded(0, 7)["image"], evaluated[0]["image"])


def test_cells_are_numbered_for_those_who_ask(root: Path) -> None:
    assert "instances" not in opened(root).seeded(0, 0, {"semantic"})
    assert "instances" in opened(root).seeded(0, 0)


def module(composed: Compose, root: Path, *more: str) -> TileDataModule:
    small = [f"data.dataset.root={root}", "data.tile=64", "data.num_workers=0"]
    cfg = composed("view", "data=loading_codes", *small, *more)
    return build_data(cfg, None)  # type: ignore[return-value]


def test_an_epoch_is_the_same_whatever_the_workers(composed: Compose, root: Path) -> None:
    given = ["data/loading=all_random", "data.batch_size=2"]
    batches = []
    for workers in (0, 2):
        data = module(composed, root, *given, f"data.num_workers={workers}")
        batches.append([b["image"] for b in data.train_dataloader()])
    assert len(batches[0]) > 2
    for a, b in zip(*batches, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_masks_move_with_their_image_and_keep_their_values(composed: Compose, root: Path) -> None:
    data = module(composed, root, "data.dataset.loading.codes=[15,15]")
    data.augment._pipeline.transforms[-1].share = 0  # light moves nothing
    tiles = Tiles(data.records("train"), data.augment)
    agreed = []
    for seed in range(12):
        tile = tiles[Draw(seed % len(tiles), seed)]
        assert tile["image"].shape == (2, 64, 64)
        assert set(tile["semantic"].unique().tolist()) <= {0, 1}
        np.testing.assert_array_equal(tile["instances"] > 0, tile["semantic"] > 0)
        if not tile["semantic"].any():  # noise, and nothing to move
            continue
        seen = tile["image"][0] > 0.5
        agreed.append(float((seen == (tile["semantic"] > 0)).float().mean()))
    assert np.mean(agreed) > 0.97  # nearest and linear differ by half a pixel at the edge


def test_a_model_that_takes_other_channels_is_refused(composed: Compose) -> None:
    two = "data.dataset.loading.codes=[12,102]"
    with pytest.raises(ContractError, match=r"takes images of 3 channels, the data give 2.*codes"):
        check_contract(composed("train", "model=hovernet", "data=loading_codes", two))
    cfg = composed("train", "model=pixelshuffle_unet", "data=loading_codes", two)
    check_contract(cfg)
    OmegaConf.set_struct(cfg, False)
    cfg.model.normalise = {"_target_": "histoseg.data.StainNormaliser"}
    with pytest.raises(ContractError, match="stains of RGB"):
        check_contract(cfg)


def test_white_masks_of_one_class_are_taken_and_said(
    one: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mask = one / "Mask_Norm" / "a.png"
    Image.fromarray(np.asarray(Image.open(mask)) * np.uint8(255)).save(mask)
    data = opened(one)
    assert set(np.unique(data[0]["semantic"])) == {0, 1}
    assert data[0]["semantic"].any()
    assert caplog.text.count("255 is taken for class 1") == 1
    with pytest.raises(UnreadableFileError, match=r"a\.png holds 255; expected classes 0 to 2"):
        LoadingCodes(one, Loading([0]), ["a", "b"])[0]


def test_other_values_are_listed(one: Path) -> None:
    values = np.zeros((80, 72), np.uint8)
    values[0, :3] = 1, 4, 7
    Image.fromarray(values).save(one / "Mask_Norm" / "a.png")
    with pytest.raises(UnreadableFileError, match=r"holds 4, 7; expected classes 0 to 1"):
        opened(one)[0]


def test_a_mask_of_another_size_is_refused(one: Path) -> None:
    Image.fromarray(np.zeros((80, 70), np.uint8)).save(one / "Mask_Norm" / "a.png")
    with pytest.raises(UnreadableFileError, match=r"80 x 72 pixels and its mask is 80 x 70"):
        opened(one)[0]


def test_a_missing_mask_is_named(one: Path) -> None:
    stacks.put(one, "sub/b", stacks.stack(1)[0], None)
    with pytest.raises(DatasetNotFoundError, match=r"1 of 2 stacks have no mask.*sub/b\.tif"):
        opened(one)


def test_two_stacks_of_one_name_are_refused(one: Path) -> None:
    stacks.put(one, "a", *stacks.stack(1), ".ome.tif")
    with pytest.raises(ContractError, match=r"both called 'a'.*share a mask"):
        opened(one)


def test_codes_txt_has_to_name_the_classes(one: Path) -> None:
    (one / "codes.txt").write_text("Background\nCELL\n\n")
    opened(one)
    (one / "codes.txt").write_text("Background\nCell\nDebris\n")
    with pytest.raises(ContractError, match=re.escape("data.classes=[Cell,Debris]")):
        opened(one)


def test_nothing_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="prepare data=subimages"):
        opened(tmp_path)


def test_a_damaged_stack_is_skipped_if_asked(root: Path, tmp_path: Path) -> None:
    for name in "ab":
        stacks.put(tmp_path, name, *stacks.stack(0))
    (tmp_path / "FullImage" / "a.tif").write_bytes(b"II*\0")
    with pytest.raises(UnreadableFileError, match=r"a\.tif cannot be read"):
        opened(tmp_path, training=True).seeded(0, 0)
    data = opened(tmp_path, training=True, on_error="skip")
    assert data.seeded(0, 0)["place"].slide == "b"
