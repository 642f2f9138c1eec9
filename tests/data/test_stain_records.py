"""Records of stains on their way to a model: cut, warped, recoloured by name, batched."""

import pickle

import albumentations as A  # noqa: N812
import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from torch.utils.data import default_collate

from conftest import Compose
from fakes.discs import discs
from histoseg.contracts import Array, Place, Record
from histoseg.data import Augment, CentreTile, RandomTile, TileDataModule, to_sample
from histoseg.data.datamodule import Tiles
from histoseg.data.draws import Draw
from histoseg.data.sample import packed, widened

LABELS = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)


def record(seed: int = 0, height: int = 64, width: int = 64) -> Record:
    """A picture, one of the same pixels inverted, and the label picture of its discs."""
    image, instances = discs(seed, height, width, 9)
    seg = LABELS[np.where(instances > 0, 1 + instances % 2, 0)]
    stains = {"ihc": image, "inverse": 255 - image, "seg": seg}
    return Record(stains=stains, place=Place(f"s{seed}", 0, 0, 0.5))


def unpaired() -> Record:
    return Record(stains={"he": record(1, 50, 70)["stains"]["ihc"], **record()["stains"]})


def colours(picture: Array) -> set[tuple[int, ...]]:
    return set(map(tuple, picture.reshape(-1, 3).tolist()))


def warp(size: int = 48) -> RandomTile:
    return RandomTile(size, scale=(0.8, 1.2), rotate=(-40, 40), shear=(-5, 5), p_warp=1)


def test_packed_and_widened_take_every_stain() -> None:
    source = record()
    small = packed(source)
    assert {name: picture.dtype for name, picture in small["stains"].items()} == dict.fromkeys(
        source["stains"], torch.uint8
    )
    batch = widened(default_collate([small, small]))
    assert list(batch["stains"]) == ["ihc", "inverse", "seg"]
    for name, picture in source["stains"].items():
        expected = torch.from_numpy(picture.astype(np.float32) / 255).permute(2, 0, 1)
        torch.testing.assert_close(batch["stains"][name], expected.expand(2, 3, 64, 64))
    assert torch.equal(widened(batch)["stains"]["ihc"], batch["stains"]["ihc"])
    small["stains"]["ihc"].zero_()
    assert source["stains"]["ihc"].any(), "the record keeps its own memory"


def test_a_stain_of_another_type_is_named() -> None:
    with pytest.raises(ValueError, match="stain 'dapi' is uint16; expected uint8 or float32"):
        to_sample(Record(stains={"dapi": np.zeros((2, 2, 3), np.uint16)}))


def test_all_stains_go_through_the_same_draws() -> None:
    augment = Augment({"warp": warp(), "mirror": A.HorizontalFlip(p=0.5)}, label_stains=["seg"])
    changed = 0
    for seed in range(6):
        source = record(seed)
        tile = augment(source, seed)
        stains = tile["stains"]
        assert all(picture.shape == (48, 48, 3) for picture in stains.values())
        off = stains["ihc"].astype(int) + stains["inverse"] - 255
        assert np.abs(off).max() <= 1, "rounding alone parts a picture and its inverse"
        assert colours(stains["seg"]) <= set(map(tuple, LABELS.tolist())), "no mixed colours"
        light = stains["ihc"].astype(float).mean(axis=2)
        inside = stains["seg"].any(axis=2)
        assert light[inside].mean() < light[~inside].mean() - 10, "labels lie on their discs"
        changed += not np.array_equal(stains["ihc"], source["stains"]["ihc"][8:56, 8:56])
    assert changed == 6
    assert not np.array_equal(augment(record(), 1)["stains"]["ihc"], tile["stains"]["ihc"])


@pytest.mark.parametrize("name", ["translation", "flips", "nuclei", "reference"])
def test_presets_know_the_label_stains_of_the_data(name: str, composed: Compose) -> None:
    given = ["data=synthetic_stains", f"data/augment={name}", "data.tile=48"]
    augment = instantiate(composed("view", *given).data.augment)
    seen = set()
    for seed in range(8):
        stains = augment(record(), seed)["stains"]
        assert colours(stains["seg"]) <= set(map(tuple, LABELS.tolist()))
        off = stains["ihc"].astype(int) + stains["inverse"] - 255
        assert np.abs(off).max() <= 1, "no preset recolours a stain by itself"
        seen.add(stains["seg"].tobytes())
    assert len(seen) > 1


def test_translation_mirrors_half_of_the_tiles_and_nothing_else(composed: Compose) -> None:
    given = ["data=synthetic_stains", "data/augment=translation", "data.tile=64"]
    augment = instantiate(composed("view", *given).data.augment)
    source = record()["stains"]
    mirrored = 0
    for seed in range(60):
        stains = augment(record(), seed)["stains"]
        flipped = not np.array_equal(stains["ihc"], source["ihc"])
        for name, picture in stains.items():
            expected = source[name][:, ::-1] if flipped else source[name]
            np.testing.assert_array_equal(picture, expected)
        mirrored += flipped
    assert 18 < mirrored < 42


def test_without_its_name_a_label_picture_would_get_mixed_colours() -> None:
    tile = Augment({"warp": warp()})(record(), 0)
    assert len(colours(tile["stains"]["seg"])) > 3


def test_colours_change_in_the_named_stains_alone() -> None:
    jitter = A.ColorJitter(brightness=(0.5, 0.6), p=1)
    either = A.OneOf([A.GaussNoise(std_range=(0.1, 0.2), p=1)], p=1)
    source = record()
    for recolour in ([], ["inverse"], ["ihc", "inverse"]):
        augment = Augment({"jitter": jitter, "one": either}, ["seg"], recolour)
        stains = pickle.loads(pickle.dumps(augment))(source, 0)["stains"]
        changed = [n for n in stains if not np.array_equal(stains[n], source["stains"][n])]
        assert changed == recolour


def test_an_image_beside_stains_is_recoloured_as_ever() -> None:
    source = record() | Record(image=record()["stains"]["ihc"])
    out = Augment({"jitter": A.ColorJitter(brightness=(0.5, 0.6), p=1)})(source, 0)
    assert not np.array_equal(out["image"], source["image"])
    np.testing.assert_array_equal(out["stains"]["ihc"], source["stains"]["ihc"])


def test_a_label_picture_cannot_be_recoloured() -> None:
    with pytest.raises(ValueError, match="'seg'"):
        Augment({}, label_stains=["seg"], recolour=["seg"])


def test_stains_of_different_sizes_are_refused_unless_they_are_unpaired() -> None:
    with pytest.raises(ValueError, match=r"'ihc' is \(64, 64\) pixels, the others \(50, 70\)"):
        Augment({"tile": RandomTile(32)})(unpaired(), 0)
    augment = Augment({"tile": RandomTile(32)}, ["seg"], paired=False)
    tile = augment(unpaired(), 3)
    assert [p.shape for p in tile["stains"].values()] == [(32, 32, 3)] * 4
    again = augment(unpaired(), 3)
    assert all(np.array_equal(tile["stains"][n], again["stains"][n]) for n in tile["stains"])


def test_unpaired_stains_have_draws_of_their_own() -> None:
    twins = Record(stains=dict.fromkeys("ab", record()["stains"]["ihc"]))
    steps = {"tile": RandomTile(32)}
    apart = Augment(steps, paired=False)(twins, 0)["stains"]
    together = Augment(steps)(twins, 0)["stains"]
    assert not np.array_equal(apart["a"], apart["b"])
    np.testing.assert_array_equal(together["a"], together["b"])


def test_unpaired_stains_come_from_different_records() -> None:
    """The first goes through all records in turn, the others are drawn, by the seed alone."""
    levels = np.arange(40, dtype=np.uint8)
    held = Held(Record(stains=dict.fromkeys("abc", np.full((8, 8, 3), n))) for n in levels)
    tiles = Tiles(held, Augment({}, paired=False))
    drawn = [
        {name: int(p[0, 0, 0]) for name, p in tiles[Draw(item, 7 + item)]["stains"].items()}
        for item in range(40)
    ]
    assert [one["a"] for one in drawn] == levels.tolist()
    for name in "bc":
        assert sum(one[name] == one["a"] for one in drawn) < 8
        assert len({one[name] for one in drawn}) > 15
    assert sum(one["b"] == one["c"] for one in drawn) < 8
    again = tiles[Draw(3, 10)]["stains"]
    assert {name: int(p[0, 0, 0]) for name, p in again.items()} == drawn[3]
    assert held[3]["stains"]["b"][0, 0, 0] == 3, "records stay as they are"
    paired = Tiles(held, Augment({}))[Draw(3, 10)]["stains"]
    assert {int(p[0, 0, 0]) for p in paired.values()} == {3}


def test_the_centre_of_each_stain_is_cut() -> None:
    source = unpaired()
    tile = CentreTile(40)(source, 0)
    np.testing.assert_array_equal(tile["stains"]["he"], source["stains"]["he"][5:45, 15:55])
    np.testing.assert_array_equal(tile["stains"]["ihc"], source["stains"]["ihc"][12:52, 12:52])
    moved = CentreTile(40)(record(), 0)["place"]
    assert (moved.x, moved.y) == (12, 12)


def test_a_record_of_neither_image_nor_stains_is_told() -> None:
    with pytest.raises(ValueError, match=r"needs an image or stains; this one has \['tissue'\]"):
        CentreTile(8)(Record(tissue="x"), 0)


class Held(list):
    """Records in memory."""


def test_the_loaders_give_tiles_to_train_and_whole_stains_to_test() -> None:
    held = Held(record(seed, 56, 72) for seed in range(4))
    module = TileDataModule(
        lambda: held,
        {"train": {}, "val": {}, "test": {}},
        Augment({"tile": RandomTile(32)}, ["seg"]),
        classes=["positive", "negative"],
        stains=["ihc", "inverse", "seg"],
        label_stains=["seg"],
        tile=32,
        batch_size=2,
        seed=0,
        normalise=lambda image: image // 0,  # the model's, of images: there are none
    )
    for loader, size in (
        (module.train_dataloader(), (2, 3, 32, 32)),
        (module.val_dataloader(), (2, 3, 32, 32)),
        (module.test_dataloader(), (1, 3, 56, 72)),
    ):
        for batch in loader:
            wide = module.on_after_batch_transfer(batch, 0)
            assert {n: tuple(p.shape) for n, p in wide["stains"].items()} == dict.fromkeys(
                module.stains, size
            )


def test_a_label_stain_that_the_data_do_not_have_is_told() -> None:
    given = {"classes": [], "tile": 32, "batch_size": 2, "seed": 0}
    with pytest.raises(ValueError, match=r"names \['sge'\], stains only \['ihc', 'seg'\]"):
        TileDataModule(
            Held, {}, CentreTile(32), stains=["ihc", "seg"], label_stains=["sge"], **given
        )


def test_colours_of_another_image_need_an_image() -> None:
    class Asking:
        needs_donor = True

        def __call__(self, record: Record, seed: int, donor) -> Record:  # noqa: ANN001
            donor()
            return record

    with pytest.raises(ValueError, match="takes the colours of another image"):
        Tiles(Held([record()]), Asking())[0]
