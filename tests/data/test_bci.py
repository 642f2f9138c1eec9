"""BCI: layouts, patches, splits and draws."""

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.utils import instantiate
from PIL import Image

import histoseg.data.bci as bci
from conftest import Compose
from fakes import bci as fake
from histoseg.data import BCI
from histoseg.data.bci_files import Listing, Stored, level_of, list_bci
from histoseg.data.draws import SPREAD, Draws
from histoseg.data.patch_grid import PatchGrid
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError

LAYOUTS = ("native", "unaligned", "side by side")


def opened(root: Path, split: str = "train", **options: Any) -> BCI:
    return BCI(root, split, **{"side": 64, "patch": 32} | options)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[Stored]:
    """How often each picture was decoded, of files that are not there."""
    counts: Counter[Stored] = Counter()

    def counted(stored: Stored) -> Any:
        counts[stored] += 1
        return np.zeros((8, 8, 3), np.uint8)

    monkeypatch.setattr(bci, "_half", counted)
    return counts


@cache
def names_of_all() -> Listing:
    sizes = (("train", range(3896)), ("test", range(977)))
    folders = {
        split: {
            stain: {fake.name(i, split): Stored(Path(f"{stain}_{split}_{i}")) for i in numbers}
            for stain in ("he", "ihc")
        }
        for split, numbers in sizes
    }
    return Listing("native", folders)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of all of BCI, and no file."""
    monkeypatch.setattr(bci, "list_bci", lambda root, sides: names_of_all())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_found(tmp_path: Path, layout: str) -> None:
    fake.write(tmp_path, layout)
    assert list_bci(tmp_path, ["he", "ihc"]).layout == layout
    data = opened(tmp_path, "test", patch=None)
    assert data.ids == tuple(fake.name(i, "test") for i in range(100, 104))
    assert data.tissues() == ["HER2 0", "HER2 1+", "HER2 2+", "HER2 3+"]
    record = data[2]
    assert list(record["stains"]) == ["ihc", "he"]
    for stain, picture in record["stains"].items():
        np.testing.assert_array_equal(picture, fake.picture(102, stain))
    assert (record["tissue"], record["place"].slide) == ("HER2 2+", data.ids[2])


def test_levels_come_from_the_name() -> None:
    assert [level_of(f"00010_test_{level}") for level in fake.LEVELS] == [
        "HER2 0", "HER2 1+", "HER2 2+", "HER2 3+",
    ]  # fmt: skip
    assert level_of("00010_test_4+") == level_of("a_10") == ""


def test_patches_go_down_the_columns(tmp_path: Path) -> None:
    data = opened(fake.write(tmp_path))
    first = data.images["ihc"][0]
    assert data.ids[:5] == (*(f"{first}__{i}" for i in range(4)), f"{data.images['ihc'][1]}__0")
    whole = fake.picture(int(first[:5]), "he")
    corners = [(0, 0), (32, 0), (0, 32), (32, 32)]  # row, column: top left, bottom left, ...
    for i, (row, column) in enumerate(corners):
        record = data[i]
        np.testing.assert_array_equal(
            record["stains"]["he"], whole[row : row + 32, column : column + 32]
        )
        assert (record["place"].x, record["place"].y) == (column, row)
    rows = opened(tmp_path, order="rows")
    np.testing.assert_array_equal(rows[1]["stains"]["he"], whole[:32, 32:])


@pytest.mark.parametrize(
    ("edge", "starts"),
    [("drop", [0, 300, 600]), ("mirror", [0, 300, 600, 900]), ("overlap", [0, 241, 483, 724])],
)
def test_what_is_left_over_at_the_edge(edge: Any, starts: list[int]) -> None:
    grid = PatchGrid(1024, 300, edge=edge)
    assert grid.starts == starts
    assert len(grid) == len(starts) ** 2
    picture = np.random.default_rng(0).integers(0, 255, (1024, 1024, 3), np.uint8)
    patch = grid.cut(picture, len(grid) - 1)
    assert patch.shape == (300, 300, 3)
    kept = 1024 - starts[-1]
    np.testing.assert_array_equal(
        patch[:kept, :kept], picture[starts[-1] :, starts[-1] :][:300, :300]
    )
    if edge == "mirror":
        np.testing.assert_array_equal(patch[kept : kept + 5], patch[kept - 6 : kept - 1][::-1])


def test_settings_that_give_no_patch_are_refused() -> None:
    with pytest.raises(ValueError, match="patch of 65 px does not fit a picture of 64"):
        PatchGrid(64, 65)
    with pytest.raises(ValueError, match="'col' is not one of"):
        PatchGrid(64, 32, order="col")


@pytest.mark.usefixtures("published")
def test_the_counts_of_the_published_set() -> None:
    def sizes(**options: Any) -> list[int]:
        return [len(BCI("bci", split, **options)) for split in ("train", "val", "test")]

    assert sum(sizes()) == 19_492
    assert sizes()[2] == 977 * 4
    assert sizes(patch=None) == [2922, 974, 977]
    assert sizes(partition="ratio") == [2924 * 4, 975 * 4, 974 * 4]
    train, val, test = sizes(partition="ratio", subset=0.5)
    assert (train, val) == (1462 * 4, 487 * 4)
    assert train + val == 7_796
    assert test == 974 * 4, "of the test nothing is left out"


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("partition", ["official", "ratio"])
def test_no_image_is_in_two_splits_and_levels_are_alike(partition: Any) -> None:
    parts = [BCI("bci", s, partition=partition).images["he"] for s in ("train", "val", "test")]
    assert len({name for part in parts for name in part}) == sum(map(len, parts)) == 4873
    for part in parts:
        counts = Counter(map(level_of, part))
        assert max(counts.values()) - min(counts.values()) <= 3
    half = BCI("bci", "train", partition=partition, subset=0.5).images["he"]
    assert set(half) < set(parts[0])
    counts = Counter(map(level_of, half))
    assert max(counts.values()) - min(counts.values()) <= 3
    assert BCI("bci", "train", partition=partition, subset=0.5).images["he"] == half
    assert BCI("bci", "train", partition=partition, subset=0.5, seed=1).images["he"] != half


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize("paired", [True, False])
def test_no_picture_is_decoded_twice(decoded: Counter[Stored], workers: int, paired: bool) -> None:
    """As workers do: each has the data set for itself and every so-manieth batch."""
    small: Any = {"paired": paired, "side": 8, "patch": 4, "subset": 0.2}
    data = [BCI("bci", "val", **small) for _ in range(workers)]
    count = len(data[0].images["he"])
    rest = count % (2 * SPREAD)  # the last window is shorter, its images may go to several workers
    assert (count, rest) == (194, 2)
    draws = Draws(4 * count, seed=1, shuffle=True, parts=4, batch_size=2)
    draws.set_epoch(1)
    read = list(draws)
    assert sorted(draw.item for draw in read) == list(range(4 * count))
    assert len({draw.seed for draw in read}) == len(read)
    for i, draw in enumerate(read):
        own = data[i // 2 % workers]
        if paired:
            own[draw.item]
        else:
            own.drawn(draw.item, draw.seed)
    assert sum(decoded.values()) <= 2 * (count + 3 * rest)
    if paired:
        assert len(decoded) == 2 * count
        assert sum(len(own._held) for own in data) <= 2 * 4 * rest, "what was read is let go"


def test_patches_of_an_image_are_apart() -> None:
    draws = [draw.item // 4 for draw in Draws(4 * 100, seed=0, shuffle=True, parts=4)]
    places = [np.flatnonzero(np.array(draws) == image) for image in range(100)]
    gaps = Counter(int(gap) for place in places for gap in np.diff(place))
    assert set(gaps) <= {SPREAD, 100 % SPREAD}
    assert Draws(8, seed=0, shuffle=False, parts=4).window == SPREAD
    plain = [draw.item for draw in Draws(8, seed=0, shuffle=False, parts=4)]
    assert plain == [0, 4, 1, 5, 2, 6, 3, 7]


def test_unpaired_stains_come_from_other_images(tmp_path: Path) -> None:
    data = opened(fake.write(tmp_path, train=24), paired=False, patch=None)
    apart = 0
    for index, name in enumerate(data.ids):
        stains = data.drawn(index, 7 + index)["stains"]
        number = int(name[:5])
        np.testing.assert_array_equal(stains["ihc"], fake.picture(number, "ihc"))
        apart += not np.array_equal(stains["he"], fake.picture(number, "he"))
    assert apart > 12
    again = data.drawn(3, 10)["stains"]["he"]
    np.testing.assert_array_equal(again, data.drawn(3, 10)["stains"]["he"])


def test_a_missing_partner_is_told_or_taken_as_unpaired(tmp_path: Path) -> None:
    fake.write(tmp_path)
    (tmp_path / "BCI_dataset" / "HE" / "train" / f"{fake.name(3, 'train')}.png").unlink()
    (tmp_path / "BCI_dataset" / "IHC" / "test" / f"{fake.name(100, 'test')}.png").unlink()
    with pytest.raises(DatasetNotFoundError, match=r"2 images \(native\) .*00003_train_3\+.*"):
        opened(tmp_path)
    train = [opened(tmp_path, split, paired=False).images for split in ("train", "val")]
    assert sum(len(images["ihc"]) for images in train) == 8
    assert sum(len(images["he"]) for images in train) == 7
    test = opened(tmp_path, "test", paired=False).images
    assert test["ihc"] == test["he"] == [fake.name(i, "test") for i in (101, 102, 103)]


def test_bad_folders_and_pictures_are_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"is missing; expected the folders HE and IHC"):
        opened(tmp_path / "x")
    (tmp_path / "notes").mkdir()
    with pytest.raises(DatasetNotFoundError, match=r"holds \['notes'\]; expected"):
        opened(tmp_path)
    for stain in ("HE", "IHC"):
        (tmp_path / stain / "train").mkdir(parents=True)
    with pytest.raises(DatasetNotFoundError, match="stain 'he' has no picture in any of"):
        opened(tmp_path)
    root = fake.write(tmp_path / "y", "side by side", 4)
    file = root / "test" / f"{fake.name(100, 'test')}.png"
    with pytest.raises(UnreadableFileError, match=r"picture is 64 x 64 .* expected 1024 x 1024"):
        BCI(root, "test", patch=None)[0]
    Image.fromarray(np.zeros((64, 127, 3), np.uint8)).save(file)
    with pytest.raises(UnreadableFileError, match="127 pixels wide"):
        opened(root, "test")[0]
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(UnreadableFileError, match="damaged or cut short"):
        opened(root, "test")[0]
    (root / "train" / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ContractError, match="is in train and in test, a leak"):
        opened(root)
    with pytest.raises(ContractError, match="must be the two of sides"):
        BCI(root, "train", stains=["he", "er"])


def test_a_damaged_picture_is_passed_over(tmp_path: Path) -> None:
    data = opened(fake.write(tmp_path), paired=False, on_error="skip")
    bad = data._files["ihc"][data.images["ihc"][0]].path
    bad.write_bytes(b"")
    np.testing.assert_array_equal(
        data.drawn(1, 0)["stains"]["ihc"], data.drawn(5, 0)["stains"]["ihc"]
    )
    assert data.skipped == [f"ihc: {data.images['ihc'][0]}"]


def test_the_loaders_of_the_configuration(tmp_path: Path, composed: Compose) -> None:
    small = [
        "data=bci", f"data.dataset.root={fake.write(tmp_path)}", "data.dataset.side=64",
        "data.dataset.patch=32", "data.tile=16", "data.num_workers=0",
    ]  # fmt: skip
    for paired in ("true", "false"):
        data = instantiate(composed("view", *small, f"data.augment.paired={paired}").data)
        loaders = data.train_dataloader(), data.val_dataloader(), data.test_dataloader()
        assert [len(loader) for loader in loaders] == [24, 8, 4]
        for loader, side in zip(loaders, (16, 16, 64), strict=True):
            batch = next(iter(loader))
            assert {tuple(p.shape) for p in batch["stains"].values()} == {(1, 3, side, side)}
            assert batch["tissue"][0].startswith("HER2 ")
