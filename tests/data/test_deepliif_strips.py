"""Strips are parted into their panels, and what is no strip is told."""

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from fakes import deepliif_strips as fake
from histoseg.data import DeepLIIFStrips
from histoseg.data.tissue.modalities import NAMES
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError
from histoseg.ops.seg_colours import unlike_seg


def save(root: Path, array: np.ndarray, name: str = "x.png") -> DeepLIIFStrips:
    (root / "train").mkdir(exist_ok=True)
    Image.fromarray(array).save(root / "train" / name)
    return strips(root)


def strips(root: Path, folder: str = "train", stains: tuple[str, ...] = NAMES) -> DeepLIIFStrips:
    return DeepLIIFStrips(root, folder, stains, label_stains={"seg"} & set(stains), mpp=0.5)


def test_panels_get_their_names_from_left_to_right(tmp_path: Path) -> None:
    data = strips(fake.write(tmp_path))
    assert data.ids == ("a", "hospital__b")
    record = data[1]
    assert list(record["stains"]) == list(NAMES)
    for name, picture in fake.panels(1).items():
        np.testing.assert_array_equal(record["stains"][name], picture)
        assert record["stains"][name].flags["C_CONTIGUOUS"]
    assert record["place"] == ("hospital__b", 0, 0, 0.5)
    assert [len(strips(tmp_path, folder)) for folder in ("val", "test")] == [1, 1]


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "TIFF", "bmp"])
def test_all_formats_are_read(tmp_path: Path, suffix: str) -> None:
    data = save(tmp_path, fake.strip(0), f"x.{suffix}")
    off = np.abs(data[0]["stains"]["ihc"].astype(int) - fake.panels(0)["ihc"]).mean()
    assert off < (10 if suffix == "jpg" else 1e-9)


def test_any_number_of_panels(tmp_path: Path) -> None:
    save(tmp_path, fake.strip(0)[:, : 64 * 3])
    record = strips(tmp_path, stains=("ihc", "he", "dapi"))[0]
    np.testing.assert_array_equal(record["stains"]["he"], fake.panels(0)["hematoxylin"])


def test_a_width_that_is_no_multiple_is_told(tmp_path: Path) -> None:
    data = save(tmp_path, fake.strip(0)[:, :-1])
    with pytest.raises(UnreadableFileError, match=r"64 x 383 pixels .* no multiple of its height"):
        data[0]


def test_another_number_of_panels_is_told(tmp_path: Path) -> None:
    data = save(tmp_path, fake.strip(0)[:, : 64 * 4])
    with pytest.raises(UnreadableFileError, match=r"that is 4 square panels; expected 6, one for"):
        data[0]


def test_a_segmentation_in_other_colours_is_told(tmp_path: Path) -> None:
    array = fake.strip(0)
    array[:, -64:] = np.where(array[:, -64:].any(axis=2, keepdims=True), array[:, -64:], 255)
    with pytest.raises(UnreadableFileError, match=r"of panel 'seg' has other colours than red"):
        save(tmp_path, array)[0]


@pytest.mark.parametrize("last", ["ihc", "dapi", "marker"])
def test_panels_in_another_order_are_found_out(tmp_path: Path, last: str) -> None:
    others = [name for name in NAMES if name != last]
    array = np.concatenate([fake.panels(0)[n] for n in (*others, last)], axis=1)
    with pytest.raises(UnreadableFileError, match=r"put data\.stains in the order of the panels"):
        save(tmp_path, array)[0]


def test_a_segmentation_without_cells_is_taken(tmp_path: Path) -> None:
    array = fake.strip(0)
    array[:, -64:] = 0
    assert not save(tmp_path, array)[0]["stains"]["seg"].any()


def test_blurred_edges_of_a_segmentation_are_taken(tmp_path: Path) -> None:
    seg = fake.panels(0, 128)["seg"]
    small = np.asarray(Image.fromarray(seg).resize((64, 64), Image.Resampling.BILINEAR))
    assert 0 < unlike_seg(small) < 0.05
    array = fake.strip(0)
    array[:, -64:] = small
    np.testing.assert_array_equal(save(tmp_path, array)[0]["stains"]["seg"], small)


def test_a_gray_ihc_is_refused_where_colour_is_expected(tmp_path: Path) -> None:
    """Mostly the panels are in another order: DAPI first."""
    fake.write(tmp_path)
    order = ["dapi", "ihc", "hematoxylin", "lap2", "marker", "seg"]
    panels = fake.panels(0)
    strip = np.hstack([panels[name] for name in order])
    Image.fromarray(strip).save(tmp_path / "train" / "a.png")
    asked = {"label_stains": ["seg"], "brightfield": ["ihc", "hematoxylin", "cd3"]}
    with pytest.raises(UnreadableFileError, match=r"a\.png: panel 'ihc' is gray.*order of the"):
        DeepLIIFStrips(tmp_path, "train", NAMES, **asked)[0]
    assert DeepLIIFStrips(tmp_path, "train", order, **asked)[0]
    assert DeepLIIFStrips(tmp_path, "train", NAMES, ["seg"])[0]


def test_a_gray_strip_becomes_rgb(tmp_path: Path) -> None:
    data = save(tmp_path, fake.strip(0)[..., 0])
    picture = strips(tmp_path, stains=("a", "b", "c", "d", "e", "f"))[0]["stains"]["a"]
    np.testing.assert_array_equal(picture, fake.panels(0)["ihc"][..., :1].repeat(3, axis=2))
    assert len(data) == 1


def test_sixteen_bits_are_scaled_by_their_depth(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    deep = fake.strip(0).astype(np.uint16) * 257
    (tmp_path / "train" / "x.png").write_bytes(imagecodecs.png_encode(deep))
    np.testing.assert_array_equal(strips(tmp_path)[0]["stains"]["dapi"], fake.panels(0)["dapi"])


def test_a_cut_file_stops_or_is_skipped(tmp_path: Path) -> None:
    fake.write(tmp_path)
    path = tmp_path / "train" / "a.png"
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(UnreadableFileError, match=r"a\.png .* damaged or cut short"):
        strips(tmp_path)[0]
    data = DeepLIIFStrips(tmp_path, "train", NAMES, ["seg"], on_error="skip")
    assert data[0]["place"].slide == "hospital__b"
    assert data.skipped == ["a"]


def test_no_strip_is_told(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "notes.txt").touch()
    (tmp_path / "train" / ".hidden.png").touch()
    with pytest.raises(DatasetNotFoundError, match=r"holds no strip .*histoseg prepare data="):
        strips(tmp_path)
    with pytest.raises(DatasetNotFoundError, match="nowhere"):
        strips(tmp_path, "nowhere")


def test_two_strips_of_one_name_are_refused(tmp_path: Path) -> None:
    save(tmp_path, fake.strip(0), "x.png")
    with pytest.raises(ContractError, match="both called 'x'"):
        save(tmp_path, fake.strip(0), "x.tif")


def test_stains_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="each once"):
        strips(fake.write(tmp_path), stains=("ihc", "ihc"))
    with pytest.raises(ContractError, match=r"names \['seg'\], data.stains only \['ihc'\]"):
        DeepLIIFStrips(tmp_path, "train", ["ihc"], ["seg"])


def test_the_official_sample_has_the_statistics_of_its_stains(shared_data: Path) -> None:
    """As measured on the original files: specification 4.6."""
    data = strips(shared_data / "deepliif_sample")
    stains = {n: p.astype(float) for n, p in data.read("Bladder1")["stains"].items()}
    assert {p.shape for p in stains.values()} == {(512, 512, 3)}
    seg = stains["seg"]
    assert len(np.unique(seg.reshape(-1, 3), axis=0)) == 4
    positive, boundary, negative = (seg[..., c] > 127 for c in range(3))
    cells, outside = positive | negative, ~seg.any(axis=2)
    for name in ("dapi", "marker"):
        assert (stains[name] == stains[name][..., :1]).all()
    dapi, lap2, marker = stains["dapi"][..., 0], stains["lap2"][..., 1], stains["marker"][..., 0]
    measured = [dapi[cells], dapi[~cells], lap2[boundary], lap2[cells], lap2[outside]]
    assert [v.mean() for v in measured] == pytest.approx([67, 28, 21, 30, 5], abs=1.5)
    assert [marker[positive].mean(), marker[negative].mean()] == pytest.approx([82, 12], abs=1.5)
    brown = stains["ihc"][..., 0] - stains["ihc"][..., 2]
    assert brown[positive].mean() == pytest.approx(12.6, abs=0.5)
    assert brown[negative].mean() == pytest.approx(-31.8, abs=0.5)
