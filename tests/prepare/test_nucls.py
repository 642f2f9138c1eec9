from pathlib import Path

import numpy as np
import pytest

from fakes import nucls as fake
from fakes.discs import discs
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare import Item, NuCLS
from histoseg.prepare.nucls import CLASSES, Boxes

TRUE = [name.removeprefix("correction_") for name in fake.NAMES]


def read(raw: Path, boxes: Boxes = "ignore") -> dict[str, Item]:
    return {item.id: item.read() for item in NuCLS(boxes=boxes).items(raw)}


def kinds_of(item: Item, instances: np.ndarray) -> list[str]:
    """Name of the class on each true nucleus."""
    assert item.semantic is not None
    found = [int(np.bincount(item.semantic[instances == n]).argmax()) for n in range(1, 9)]
    return ["none" if kind == 0 else CLASSES[kind - 1] for kind in found]


def test_outlines_are_nuclei_and_boxes_are_ignored(tmp_path: Path) -> None:
    items = read(fake.write(tmp_path))
    assert list(items) == sorted(fake.field(n) for n in range(5)), "and not the table of the set"
    item = items[fake.field(1)]
    image, instances = discs(1, 64, 72, 8)
    np.testing.assert_array_equal(item.image, image)
    outlined = (instances > 0) & (instances != fake.BOXED)
    np.testing.assert_array_equal(item.instances > 0, outlined)
    expected = [*TRUE]
    expected[fake.BOXED - 1] = "none"
    assert kinds_of(item, instances) == expected
    assert item.ignore is not None
    assert item.ignore[instances == fake.BOXED].all()
    assert (item.split, item.group, item.mpp) == ("fold2", "TCGA-A2-A0CM", 0.2)
    assert [drop.why for drop in item.dropped] == ["only a box: its pixels are ignored"]


def test_outside_of_the_field_of_view_only_what_was_drawn_counts(tmp_path: Path) -> None:
    item = read(fake.write(tmp_path))[fake.field(0)]
    assert item.ignore is not None
    border = np.ones((64, 72), dtype=bool)
    border[fake.FOV] = False
    np.testing.assert_array_equal(item.ignore[border], item.instances[border] == 0)
    box = discs(0, 64, 72, 8)[1] == fake.BOXED
    rows, columns = np.nonzero(box)
    inside = ~border
    inside[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = False
    assert not item.ignore[inside].any()


@pytest.mark.parametrize(("boxes", "share"), [("rectangle", 1.0), ("ellipse", np.pi / 4)])
def test_boxes_may_become_nuclei(tmp_path: Path, boxes: Boxes, share: float) -> None:
    item = read(fake.write(tmp_path), boxes)[fake.field(2)]
    _, instances = discs(2, 64, 72, 8)
    assert kinds_of(item, instances) == TRUE
    assert item.semantic is not None
    box = item.semantic == 1 + CLASSES.index("fibroblast")
    assert box.sum() / (11 * 11) == pytest.approx(share, abs=0.05)
    assert item.dropped == ()


def test_a_mask_says_nothing_where_it_is_not_part_of_the_download(tmp_path: Path) -> None:
    fake.write(tmp_path)
    for path in (tmp_path / "mask").iterdir():
        path.unlink()
    (tmp_path / "mask").rmdir()
    item = read(tmp_path, "rectangle")[fake.field(0)]
    assert item.ignore is None
    assert "no mask" in item.dropped[0].why


def test_damaged_lines_and_unknown_classes_are_reported(tmp_path: Path) -> None:
    path = fake.write(tmp_path) / "csv" / f"{fake.field(0)}.csv"
    text = path.read_text().replace("1,tumor,", "1,tumour,")
    coordinates = ('"1,2,x","1,2,3"', '"1,2","1,2"', '"1,2,3","1,2"')
    rows = [f"9,tumor,m,s,polyline,0,0,1,1,{xy}" for xy in coordinates]
    path.write_text(text + "\n".join(rows) + "\n")
    item = read(tmp_path)[fake.field(0)]
    why = {drop.where: drop.why for drop in item.dropped}
    assert "unknown class: label 'tumour'" in why["line 2"]
    assert "damaged" in why["line 10"]
    assert "2 points" in why["line 11"]
    assert "damaged" in why["line 12"]


def test_a_missing_partner_or_a_cut_table_fails_alone(tmp_path: Path) -> None:
    fake.write(tmp_path)
    (tmp_path / "csv" / f"{fake.field(0)}.csv").unlink()
    (tmp_path / "mask" / f"{fake.field(1)}.png").unlink()
    cut = tmp_path / "csv" / f"{fake.field(2)}.csv"
    cut.write_text(cut.read_text()[: len(fake.HEADER) + 12])
    items = {item.id: item for item in NuCLS().items(tmp_path)}
    for number, words in enumerate(("no file in csv", "no file in mask", "is cut short")):
        with pytest.raises(UnreadableFileError, match=words):
            items[fake.field(number)].read()
    items[fake.field(3)].read()


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="rgb and csv side by side"):
        list(NuCLS().items(tmp_path))
    with pytest.raises(ValueError, match="expected ignore, ellipse or rectangle"):
        NuCLS(boxes="circle")  # type: ignore[arg-type]
