import os
import pickle
import random
from collections import Counter
from multiprocessing import get_context

import albumentations as A  # noqa: N812
import cv2
import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from fakes.discs import discs
from histoseg.contracts import Place, Record
from histoseg.data import Augment, RandomTile
from test_import_dag import SRC

CONF = SRC.parents[1] / "conf"
PRESETS = ["none", "flips", "nuclei", "reference"]


def preset(name: str, *more: str) -> Augment:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(overrides=[f"+data/augment={name}", "+data.tile=48", *more])
    return instantiate(cfg.data.augment)


def record(seed: int = 0, height: int = 64, width: int = 80) -> Record:
    image, instances = discs(seed, height, width, 12)
    semantic = np.where(instances > 0, 1 + instances % 3, 0).astype(np.uint8)
    place = Place("a", 0, 0, 0.25)
    return Record(image=image, instances=instances, semantic=semantic, tissue="Colon", place=place)


def same(one: Record, two: Record) -> bool:
    return all(np.array_equal(one[key], two[key]) for key in ("image", "instances", "semantic"))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_keep_the_contract(name: str) -> None:
    augment = preset(name)
    for seed in range(12):
        source = record(seed)
        before = {key: np.copy(source[key]) for key in ("image", "instances", "semantic")}
        tile = augment(source, seed)
        assert set(tile) == set(source)
        assert tile["image"].shape == (48, 48, 3)
        assert [tile[key].dtype for key in before] == [np.uint8, np.int32, np.uint8]
        assert tile["place"] == source["place"]
        assert all(np.array_equal(source[key], value) for key, value in before.items())
        np.testing.assert_array_equal(tile["instances"] > 0, tile["semantic"] > 0)
        for number in np.unique(tile["instances"])[1:]:
            inside = tile["instances"] == number
            assert len(np.unique(tile["semantic"][inside])) == 1
            assert cv2.connectedComponents(inside.astype(np.uint8), connectivity=4)[0] == 2


@pytest.mark.parametrize("name", PRESETS)
def test_nuclei_stay_under_their_labels(name: str) -> None:
    """Discs are darker than their surroundings, and nowhere as well as under their labels."""
    augment = preset(name)
    for seed in range(12):
        tile = augment(record(seed), seed)
        gray = cv2.medianBlur(tile["image"], 3).mean(axis=2)
        inside = tile["instances"] > 0
        halfway = (np.median(gray[inside]) + np.median(gray[~inside])) / 2
        dark = gray < halfway
        assert np.mean(dark != inside) < 0.05
        for axis, shift in ((0, 2), (0, -2), (1, 2), (1, -2)):
            assert np.sum(dark != np.roll(inside, shift, axis)) > 1.5 * np.sum(dark != inside)


@pytest.mark.parametrize("name", PRESETS)
def test_the_seed_decides_everything(name: str) -> None:
    augment, other = preset(name), preset(name)
    source = record()
    expected = [augment(source, seed) for seed in range(8)]
    random.seed(3)
    cv2.setRNGSeed(5)
    for seed in reversed(range(8)):
        other(record(9), 77)
        assert same(other(source, seed), expected[seed])
    if name != "none":
        assert not same(expected[0], expected[1])


def _augment(augment: Augment, seed: int) -> Record:
    return augment(record(), seed)


def test_a_worker_gives_the_same_tile() -> None:
    augment = preset("nuclei")
    with get_context("spawn").Pool(1) as pool:
        given = pool.starmap(_augment, [(augment, seed) for seed in (5, 2)])
    assert same(given[0], _augment(pickle.loads(pickle.dumps(augment)), 5))
    assert same(given[1], _augment(augment, 2))


def test_flips_are_independent() -> None:
    """albumentations seeds each transform alike, so that its two flips would always coincide."""
    corner = np.zeros((48, 48, 3), np.uint8)
    corner[0, 0] = 255
    augment = preset("flips")
    seen = Counter(
        tuple(np.argwhere(augment({"image": corner}, seed)["image"][:, :, 0])[0])
        for seed in range(400)
    )
    assert set(seen) == {(0, 0), (0, 47), (47, 0), (47, 47)}
    assert min(seen.values()) > 70


def test_ids_beyond_bytes_and_words_survive() -> None:
    source = record()
    for offset in (300, 2**16 - 5, 2**16, 2**30):
        source["instances"] = np.where(
            record()["instances"] > 0, record()["instances"] + offset, 0
        ).astype(np.int32)
        tile = Augment({"flip": A.HorizontalFlip(p=1)})(source, 0)
        np.testing.assert_array_equal(tile["instances"], source["instances"][:, ::-1])
        warped = Augment({"tile": RandomTile(48, rotate=(30, 30), p_warp=1)})(source, 0)
        ids = np.unique(warped["instances"])
        known = {0, *np.unique(source["instances"])}
        assert len(ids) > 5
        assert all(number in known or number > max(known) for number in ids)


def test_large_ids_without_background_and_a_fill_of_zero() -> None:
    source = {"image": np.zeros((9, 9, 3), np.uint8), "instances": np.full((9, 9), 2**20, np.int32)}
    shift = A.Affine(translate_px={"x": (3, 3), "y": (0, 0)}, p=1)
    np.testing.assert_array_equal(
        np.unique(Augment({"shift": shift})(source, 0)["instances"]), [0, 2**20]
    )


def test_what_is_torn_apart_becomes_two() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    instances = np.zeros((20, 20), np.int32)
    instances[2:18, [3, 16]] = 5
    instances[17, 3:17] = 5  # a U; the crop takes its foot away
    tile = Augment({"crop": A.Crop(0, 0, 20, 10)})({"image": image, "instances": instances}, 0)
    assert set(np.unique(tile["instances"])) == {0, 5, 6}
    np.testing.assert_array_equal(tile["instances"][5, [3, 16]], [5, 6])


def test_any_transform_of_albumentations_fits() -> None:
    source = record()
    augment = Augment({"elastic": A.ElasticTransform(alpha=20, sigma=4, p=1)})
    tile = augment(source, 0)
    assert not same(tile, source)
    np.testing.assert_array_equal(tile["instances"] > 0, tile["semantic"] > 0)


def test_one_key_of_the_command_line_leaves_a_step_out() -> None:
    steps = preset("nuclei", "data.augment.transforms.stain=null")._pipeline.transforms
    assert "HEDJitter" not in [type(step).__name__ for step in steps]
    assert len(steps) == 4


def test_importing_the_room_asks_nobody_for_updates() -> None:
    assert os.environ["NO_ALBUMENTATIONS_UPDATE"]


def test_refuses_what_is_not_a_transform() -> None:
    with pytest.raises(TypeError, match="transform 'blur' is 3; expected an albumentations"):
        Augment({"blur": 3})


def test_refuses_maps_of_another_size() -> None:
    source = record()
    source["semantic"] = source["semantic"][:-1]
    with pytest.raises(ValueError, match=r"[Hh]eight and [Ww]idth"):
        preset("none")(source, 0)


def test_the_reference_ranges() -> None:
    tile, _, _, sharpness, colour = preset("reference")._pipeline.transforms
    assert (tuple(tile.scale), tuple(tile.shear), tuple(tile.rotate)) == (
        (0.8, 1.2),
        (-5, 5),
        (-179, 179),
    )
    assert sum(sharpness.transforms_ps) == pytest.approx(1)
    assert len(colour.transforms) == 4


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_ignored_goes_where_the_nuclei_go(name: str) -> None:
    augment = preset(name)
    for seed in range(8):
        source = record(seed)
        source["ignore"] = source["semantic"] == 2
        tile = augment(source, seed)
        assert tile["ignore"].dtype == bool
        np.testing.assert_array_equal(tile["ignore"], tile["semantic"] == 2)


def test_points_are_not_augmented() -> None:
    source = record()
    source["points"] = np.zeros((1, 3), np.float32)
    with pytest.raises(ValueError, match="for evaluation and is not augmented"):
        preset("none")(source, 0)
