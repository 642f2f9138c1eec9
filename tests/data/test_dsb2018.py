import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import dsb2018 as fake
from fakes.discs import discs
from histoseg.data import DSB2018
from histoseg.errors import DatasetNotFoundError, UnreadableFileError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fake.write(tmp_path / "stage1_train")


def test_gives_what_it_provides(root: Path) -> None:
    data = DSB2018(root, mpp=0.5)
    assert len(data) == 4
    record = data[0]
    assert set(record) == DSB2018.provides
    image, instances = discs(0, 72, 80, 5)
    np.testing.assert_array_equal(record["image"], image)
    np.testing.assert_array_equal(record["instances"], instances)
    assert record["instances"].dtype == np.int32
    assert record["place"] == (data.ids[0], 0, 0, 0.5)


def test_an_unknown_pixel_size_is_nan(root: Path) -> None:
    assert np.isnan(DSB2018(root)[0]["place"].mpp)


def test_splits_share_out_all_images(root: Path) -> None:
    parts = [DSB2018(root, split).ids for split in ("train", "val", "test")]
    assert sorted(sum(parts, ())) == list(DSB2018(root).ids)
    assert all(parts)


def test_the_later_of_two_overlapping_masks_wins(root: Path) -> None:
    name = DSB2018(root).ids[1]
    for path in (root / name / "masks").iterdir():
        path.unlink()
    for stem, columns in (("a", slice(0, 20)), ("b", slice(10, 30))):
        mask = np.zeros((72, 80), np.uint8)
        mask[5:9, columns] = 255
        Image.fromarray(mask).save(root / name / "masks" / f"{stem}.png")
    row = DSB2018(root)[1]["instances"][6]
    np.testing.assert_array_equal(row[:31], [1] * 10 + [2] * 20 + [0])


@pytest.mark.parametrize("make", [False, True])
def test_a_missing_root_says_how_to_get_it(tmp_path: Path, make: bool) -> None:
    root = tmp_path / "none"
    if make:
        root.mkdir()
    with pytest.raises(
        DatasetNotFoundError, match=r"none\. Run .*stage1_train\.zip of BBBC038.*CC0"
    ):
        DSB2018(root)


def test_a_mask_of_another_size_is_named(root: Path) -> None:
    name = DSB2018(root).ids[2]
    Image.new("L", (80, 60)).save(root / name / "masks" / "zz.png")
    with pytest.raises(
        UnreadableFileError, match=rf"{name}: the image is 72 x 80 .* mask zz\.png is 60 x 80"
    ):
        DSB2018(root)[2]


@pytest.mark.parametrize("content", [b"", b"not a png"])
def test_a_damaged_mask_is_named(root: Path, content: bytes) -> None:
    name = DSB2018(root).ids[0]
    (root / name / "masks" / "0001.png").write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"0001\.png is not a readable PNG"):
        DSB2018(root)[0]


def test_an_image_without_masks_is_refused(root: Path) -> None:
    name = DSB2018(root).ids[0]
    for path in (root / name / "masks").iterdir():
        path.unlink()
    with pytest.raises(UnreadableFileError, match="holds no PNG"):
        DSB2018(root)[0]


def test_an_unreadable_image_stops_or_is_skipped(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = DSB2018(root).ids
    path = root / names[1] / "images" / f"{names[1]}.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UnreadableFileError, match=rf"{names[1]}\.png \(200 bytes\)"):
        DSB2018(root)[1]
    data = DSB2018(root, on_error="skip")
    with caplog.at_level(logging.WARNING):
        given = [data[i]["place"].slide for i in (1, 0, 1, -3)]
    assert given == [names[2], names[0], names[2], names[2]]
    assert data.skipped == [names[1]]
    assert len(caplog.records) == 1


def test_the_neighbour_of_the_last_is_the_first(root: Path) -> None:
    names = DSB2018(root).ids
    (root / names[3] / "images" / f"{names[3]}.png").unlink()
    assert DSB2018(root, on_error="skip")[3]["place"].slide == names[0]


def test_nothing_readable_is_an_error_even_with_skip(root: Path) -> None:
    for path in root.glob("*/images/*.png"):
        path.write_bytes(b"")
    with pytest.raises(UnreadableFileError, match="none of the 4 items"):
        DSB2018(root, on_error="skip")[0]


def test_on_error_is_checked(root: Path) -> None:
    with pytest.raises(ValueError, match="'raise' or 'skip'"):
        DSB2018(root, on_error="ignore")


@pytest.mark.parametrize(
    ("name", "images"), [("dsb2018_histology", 93), ("dsb2018_fluorescence", 36)]
)
def test_the_real_images(shared_data: Path, name: str, images: int) -> None:
    root = shared_data / name
    data = DSB2018(root)
    assert len(data) == images
    for index in (0, images // 2, images - 1):
        record = data[index]
        masks = list((root / data.ids[index] / "masks").glob("*.png"))
        assert record["image"].shape[:2] == record["instances"].shape
        assert record["instances"].max() == len(masks)


def test_masks_of_sixteen_bits_are_masks(tmp_path: Path) -> None:
    root = fake.write(tmp_path)
    name = DSB2018(root).ids[0]
    paths = sorted((root / name / "masks").glob("*.png"))
    before = DSB2018(root)[0]["instances"]
    for path in paths:
        mask = np.asarray(Image.open(path).convert("L")).astype(np.uint16)
        Image.fromarray(mask).save(path)
    assert np.array_equal(DSB2018(root)[0]["instances"], before)


def test_suffixes_in_capitals_and_the_folder_of_macos(root: Path) -> None:
    before = DSB2018(root)
    name = before.ids[0]
    image, instances = before[0]["image"], before[0]["instances"]
    for path in root.glob(f"{name}/*/*.png"):
        path.rename(path.with_suffix(".PNG"))
    (root / "__MACOSX" / "images").mkdir(parents=True)
    after = DSB2018(root)
    assert after.ids == before.ids
    np.testing.assert_array_equal(after[0]["image"], image)
    np.testing.assert_array_equal(after[0]["instances"], instances)
