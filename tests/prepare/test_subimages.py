import csv
from pathlib import Path

import numpy as np
import pytest
import roifile
import tifffile
from PIL import Image

from conftest import Compose
from fakes import stacks
from histoseg.data import Loading, LoadingCodes
from histoseg.engine.prepare import prepare
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError

HEADER = "Class,X,Y,W,H\n"


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    """A stack with label text and a white mask, and one with ROIs and a mask of classes."""
    folder = tmp_path / "marked" / "day1"
    folder.mkdir(parents=True)
    planes, mask = stacks.stack(1)
    tifffile.imwrite(folder / "a.ome.tif", planes, metadata={"axes": "CYX"})
    Image.fromarray(mask * np.uint8(255)).save(folder / "a_seg.png")
    rows = "1,20.00,20.00,40.00,40.00,\n1,70.00,78.00,30.00,20.00,\n"
    (folder / "a--labels.txt").write_text(HEADER + rows)
    planes, mask = stacks.stack(2)
    tifffile.imwrite(folder / "b.tif", planes, photometric="minisblack")
    Image.fromarray(mask).save(folder / "b_seg.png")
    roi = roifile.ImagejRoi.frompoints([[10, 10], [60, 10], [60, 50], [10, 50]])
    roifile.roiwrite(folder / "b--ROI.zip", [roi])
    return folder.parent


def run(composed: Compose, source: Path, *more: str) -> Path:
    output = source.parent / "crops"
    given = ["data=subimages", f"source={source}", f"output={output}", f"raw={source}"]
    prepare(composed("prepare", *given, *more))
    return output


def test_crops_lie_where_they_were_marked(composed: Compose, marked: Path) -> None:
    output = run(composed, marked)
    with (output / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["crop"] for r in rows] == ["day1/a_000", "day1/a_001", "day1/b_000"]
    assert (output / "codes.txt").read_text() == "Background\nCell\n"
    for row, (number, name) in zip(rows, [(1, "a"), (1, "a"), (2, "b")], strict=True):
        planes, mask = stacks.stack(number)
        box = [int(row[k]) for k in ("top", "bottom", "left", "right")]
        area = np.s_[box[0] : box[1], box[2] : box[3]]
        crop = tifffile.imread(output / "FullImage" / f"{row['crop']}.tif")
        np.testing.assert_array_equal(crop, planes[(slice(None), *area)])
        stored = np.asarray(Image.open(output / "Mask_Norm" / f"{row['crop']}.png"))
        np.testing.assert_array_equal(stored, mask[area])
        assert int(row["cell_pixels"]) == stored.sum()
        assert Path(row["source"]).name.startswith(name)
    assert rows[1]["right"], rows[1]["bottom"] == ("72", "80")  # cut at the border
    assert rows[2]["left"] == "10"
    data = LoadingCodes(output, Loading([0, 15]), ["cell"])
    assert len(data) == 3
    assert data[0]["image"].shape == (40, 40, 2)


def test_padding_and_negatives(composed: Compose, marked: Path) -> None:
    output = run(composed, marked, "prepare.crops.padding=5", "prepare.crops.negatives=[day1]")
    masks = [np.asarray(Image.open(p)) for p in sorted((output / "Mask_Norm").rglob("*.png"))]
    assert [m.shape for m in masks] == [(45, 45), (17, 22), (50, 60)]
    assert not any(m.any() for m in masks)


def test_outlines_can_be_the_cells(composed: Compose, marked: Path) -> None:
    (marked / "day1" / "a--labels.txt").unlink()
    output = run(composed, marked, "prepare.crops.masks=rois", "prepare.crops.padding=2")
    mask = np.asarray(Image.open(output / "Mask_Norm" / "day1" / "b_000.png"))
    assert mask.shape == (44, 54)
    assert mask.sum() == 40 * 50
    assert mask[2:-2, 2:-2].all()


def test_a_later_call_leaves_nothing_behind(composed: Compose, marked: Path) -> None:
    run(composed, marked)
    (marked / "day1" / "a--labels.txt").write_text(HEADER + "1,20,20,8,8,\n")
    output = run(composed, marked)
    assert len([*output.rglob("*.tif")]) == len([*output.rglob("*.png")]) == 2
    (output / "notes.txt").write_text("mine")
    with pytest.raises(ContractError, match=r"did not write, such as .*notes\.txt"):
        run(composed, marked)


def test_what_fails_is_told_after_all_else(composed: Compose, marked: Path) -> None:
    Image.fromarray(np.full((80, 72), 7, np.uint8)).save(marked / "day1" / "a_seg.png")
    with pytest.raises(UnreadableFileError, match=r"1 of 2 stacks failed.*a_seg\.png holds 7"):
        run(composed, marked)
    output = marked.parent / "crops"
    assert [p.name for p in output.rglob("*.tif")] == ["b_000.tif"]
    assert "holds 7" in (output / "report.csv").read_text()


BROKEN = {
    "a_seg.png": (None, r"has no mask a_seg\.png"),
    "a--labels.txt": (HEADER + "1,500,500,10,10,\n", "region 0.*lies outside"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_other_broken_inputs(name: str, composed: Compose, marked: Path) -> None:
    content, why = BROKEN[name]
    path = marked / "day1" / name
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UnreadableFileError, match=why):
        run(composed, marked)


def test_a_mask_of_another_size_is_refused(composed: Compose, marked: Path) -> None:
    Image.fromarray(np.zeros((80, 70), np.uint8)).save(marked / "day1" / "a_seg.png")
    with pytest.raises(UnreadableFileError, match=r"\(80, 70\) pixels and its stack \(80, 72\)"):
        run(composed, marked)


def test_nothing_marked_says_what_to_do(composed: Compose, marked: Path) -> None:
    for path in (marked / "day1").glob("*--*"):
        path.unlink()
    with pytest.raises(DatasetNotFoundError, match="mark regions in ImageJ"):
        run(composed, marked)
