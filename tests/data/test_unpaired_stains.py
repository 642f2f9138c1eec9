"""Stains of different tissue: folders, slides, splits and draws."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.utils import instantiate
from PIL import Image

from conftest import Compose
from fakes import slides
from fakes import unpaired as fake
from histoseg.data import Augment, RandomTile, Regions, Resized, UnpairedStains
from histoseg.data.datamodule import Tiles
from histoseg.data.draws import Draw
from histoseg.errors import (
    ContractError,
    DatasetNotFoundError,
    SlideError,
    UnreadableFileError,
)
from histoseg.slides import read_image

STAINS = ("ihc", "he")


def opened(root: Path, split: str = "train", **options: Any) -> UnpairedStains:
    return UnpairedStains(root, split, STAINS, **options)


def names(data: UnpairedStains, stain: str) -> list[str]:
    return list(data.domains[stain].names)


def in_folders(root: Path) -> Path:
    """Five and seven pictures to train on, one and two to test."""
    for split, ihc, he in (("train", 5, 7), ("test", 1, 2)):
        fake.write(root / split, ihc, he)
        for stain in STAINS:
            (root / stain).mkdir(exist_ok=True)
            (root / split / stain).rename(root / stain / split)
    return root


def test_pictures_of_any_format_are_taken_as_they_are(tmp_path: Path) -> None:
    data = opened(in_folders(tmp_path))
    assert len(data) == 7
    for i in range(7):
        record = data[i]
        files = [
            next((tmp_path / s / "train").glob(f"{s}{i % n}.*")) for s, n in (("ihc", 5), ("he", 7))
        ]
        assert list(record["stains"]) == list(STAINS)
        for picture, file in zip(record["stains"].values(), files, strict=True):
            np.testing.assert_array_equal(picture, read_image(file))
        assert record["place"].slide == f"ihc{i % 5}+he{i}"
    assert len(opened(tmp_path, "test")) == 2


def test_the_first_stain_goes_in_order_and_the_others_are_drawn(tmp_path: Path) -> None:
    data = opened(in_folders(tmp_path))
    tiles = Tiles(data, Augment({"tile": RandomTile(32)}, paired=False))
    assert len(tiles) == 7
    shown = [data.drawn(i, seed)["place"].slide for i in range(5) for seed in range(9)]
    assert shown == [f"ihc{i}" for i in range(5) for _ in range(9)]
    sizes = {data.drawn(0, seed)["stains"]["he"].shape[0] - 48 for seed in range(60)}
    assert sizes == set(range(7))
    first, again, other = (tiles[Draw(2, seed)]["stains"]["he"] for seed in (5, 5, 6))
    assert first.equal(again)
    assert not first.equal(other)
    assert first.shape == (3, 32, 32)


def test_a_split_is_of_pictures_and_repeats_itself(tmp_path: Path) -> None:
    fake.write(tmp_path, 10, 20)
    share = {"train": 0.6, "val": 0.2, "test": 0.2}
    parts = {split: opened(tmp_path, split, fractions=share) for split in share}
    for stain, counts in (("ihc", [6, 2, 2]), ("he", [12, 4, 4])):
        found = [names(data, stain) for data in parts.values()]
        assert [len(part) for part in found] == counts
        assert len({name for part in found for name in part}) == sum(counts)
        assert names(opened(tmp_path, "val", fractions=share), stain) == found[1]
        other = opened(tmp_path, "val", fractions=share, seed=2)
        assert names(other, stain) != found[1]


def test_what_is_called_alike_in_both_stains_comes_into_one_split(tmp_path: Path) -> None:
    fake.write(tmp_path, 10, 0)
    for path in (tmp_path / "ihc").iterdir():
        Image.fromarray(read_image(path)).save(tmp_path / "he" / f"{path.stem}.png")
    for split in ("train", "val", "test"):
        data = opened(tmp_path, split)
        assert names(data, "ihc") == names(data, "he")


def test_the_official_layout(tmp_path: Path) -> None:
    for number, name in enumerate(("trainA", "trainB", "testA", "testB")):
        (tmp_path / name).mkdir()
        for i in range(number + 1):
            Image.fromarray(fake.picture(i, 40, 40, (90, 40, 140))).save(
                tmp_path / name / f"{i}.png"
            )
    assert [len(d.names) for d in opened(tmp_path).domains.values()] == [1, 2]
    assert [len(d.names) for d in opened(tmp_path, "test").domains.values()] == [3, 4]
    with pytest.raises(DatasetNotFoundError, match=r"valA .*~data\.splits\.val"):
        opened(tmp_path, "val")


def test_regions_of_a_slide_lie_in_its_tissue(tmp_path: Path) -> None:
    in_folders(tmp_path)
    canvas = np.full((600, 800, 3), 244, np.uint8)
    canvas[200:400, 500:700] = fake.picture(0, 200, 200, (90, 40, 140)) // 2
    slides.svs(tmp_path / "he" / "train" / "scan.svs", canvas)  # 0.25 um/px
    taken = Regions(count=6, side=64, seed=3)
    data = opened(tmp_path, mpp=0.5, regions=lambda: taken)
    found = [p for p in data.domains["he"].pictures if p.corner is not None]
    assert [p.name for p in found] == [f"scan__{i}" for i in range(6)]
    corners = np.array([p.corner for p in found])
    # its edge is found on a picture of 8 um/px, 16 pixels each
    assert ((corners + 32 > [250 - 32, 100 - 32]) & (corners + 32 < [350 + 32, 200 + 32])).all()
    assert len(np.unique(corners, axis=0)) == 6
    pictures = [data.domains["he"].read(names(data, "he").index(p.name))[0] for p in found]
    assert {p.shape for p in pictures} == {(64, 64, 3)}
    again = opened(tmp_path, mpp=0.5, regions=lambda: taken)
    assert again.domains["he"].pictures == data.domains["he"].pictures
    others = opened(tmp_path, mpp=0.5, regions=lambda: Regions(6, 64, 4))
    assert others.domains["he"].pictures != data.domains["he"].pictures
    with pytest.raises(SlideError, match=r"scan\.svs is a slide, .* set data\.mpp"):
        opened(tmp_path)
    with pytest.raises(SlideError, match=r"300 x 400 pixels .* a region 512"):
        opened(tmp_path, mpp=0.5)


def test_glass_has_no_regions(tmp_path: Path) -> None:
    in_folders(tmp_path)
    slides.svs(tmp_path / "he" / "train" / "scan.svs", np.full((300, 300, 3), 244, np.uint8))
    with pytest.raises(SlideError, match=r"no tissue was found on .*scan"):
        opened(tmp_path, mpp=0.5, regions=lambda: Regions(2, 64))


def test_presets_of_the_papers(tmp_path: Path, composed: Compose) -> None:
    root = in_folders(tmp_path)
    given = ["data=unpaired", f"data.dataset.root={root}", "data.num_workers=0", "~data.splits.val"]
    for preset in ("cyclegan_official", "cyclegan_origin"):
        data = instantiate(composed("view", *given, f"data/augment={preset}").data)
        for batch in (*data.train_dataloader(), *data.test_dataloader()):
            assert {tuple(p.shape[1:]) for p in batch["stains"].values()} == {(3, 256, 256)}
    record = opened(root)[0]
    whole = instantiate(
        composed("view", *given, "data/augment=cyclegan_official").data
    ).augment.whole
    picture = Image.fromarray(record["stains"]["he"]).resize((256, 256), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(whole(record, 0)["stains"]["he"], np.asarray(picture))


def test_a_picture_smaller_than_the_crop_is_refused_or_mirrored(
    tmp_path: Path, composed: Compose
) -> None:
    given = ["data=unpaired", f"data.dataset.root={in_folders(tmp_path)}", "data.num_workers=0"]
    data = instantiate(composed("view", *given).data)
    with pytest.raises(UnreadableFileError, match=r"ihc\d: 'ihc' is \d\d x 56 .* the crop 256"):
        next(iter(data.train_dataloader()))
    data = instantiate(composed("view", *given, "data.augment.smallest=0").data)
    assert next(iter(data.train_dataloader()))["stains"]["he"].shape == (1, 3, 256, 256)


def test_resizing_keeps_labels() -> None:
    mask = np.kron(np.array([[0, 255], [7, 0]], np.uint8), np.ones((8, 8), np.uint8))
    assert set(np.unique(Resized(12).apply_to_mask(mask))) == {0, 7, 255}
    with pytest.raises(ValueError, match="size is 0"):
        Resized(0)


def test_bad_folders_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(
        DatasetNotFoundError, match=r"no folder .*ihc with .*folders=\{ihc: <folder>"
    ):
        opened(tmp_path)
    fake.write(tmp_path, 6, 0)
    with pytest.raises(DatasetNotFoundError, match=r"he holds no picture or slide of stain 'he'"):
        opened(tmp_path)
    fake.write(tmp_path, 0, 1)
    with pytest.raises(ContractError, match=r"stain 'he' has 1 files, too few .*histoseg patches"):
        opened(tmp_path)
    (tmp_path / "he" / "train").mkdir()
    (tmp_path / "he" / "he0.png").rename(tmp_path / "he" / "train" / "he0.png")
    assert len(opened(tmp_path)) == 4
    assert "'he' has one picture to train on" in caplog.text
    with pytest.raises(DatasetNotFoundError, match=r"none called test: .*test\.split=train"):
        opened(tmp_path, "test")
    with pytest.raises(ContractError, match=r"names \['er'\], data.stains only"):
        opened(tmp_path, folders={"er": "x"})
    with pytest.raises(ContractError, match="two or more"):
        UnpairedStains(tmp_path, "train", ["ihc"])


def test_one_picture_of_one_name_in_both_stains_is_too_few(tmp_path: Path) -> None:
    for stain in ("ihc", "he"):
        (tmp_path / stain).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / stain / "a.png")
    with pytest.raises(ContractError, match=r"has 1 files, too few .*~data\.dataset\.fractions"):
        opened(tmp_path)


def test_a_damaged_picture_stops_or_is_passed_over(tmp_path: Path) -> None:
    root = in_folders(tmp_path)
    (root / "he" / "train" / "he0.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    with pytest.raises(UnreadableFileError, match=r"he0\.png .* damaged or cut short"):
        opened(root)[0]
    data = opened(root, on_error="skip")
    for seed in range(20):
        assert data.drawn(0, seed)["stains"]["he"].shape[0] > 48
    assert data.skipped == ["he: he0"]
    for path in (root / "he" / "train").iterdir():
        path.write_bytes(b"x")
    with pytest.raises(UnreadableFileError, match="none of the 7 items can be read"):
        opened(root, on_error="skip").drawn(0, 0)


def test_gray_and_deep_pictures_meet_rgb(tmp_path: Path) -> None:
    """Channels are always three, so the identity of CycleGAN is never refused for them."""
    root = in_folders(tmp_path)
    gray = fake.picture(0, 60, 60, (1, 2, 3))[..., 0]
    Image.fromarray(gray).save(root / "ihc" / "train" / "a.png")
    record = opened(root)[0]
    np.testing.assert_array_equal(record["stains"]["ihc"], np.repeat(gray[..., None], 3, axis=2))
