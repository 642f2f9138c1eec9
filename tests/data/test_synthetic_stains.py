"""The six synthetic stains show one tissue, and look as the stains they are called after."""

import cv2
import numpy as np
import pytest

from histoseg.contracts import Array
from histoseg.data import SyntheticStains
from histoseg.data.synthetic_stains import synthetic_stains
from histoseg.data.tissue.modalities import NAMES, draw_seg

COLOURS = {(0, 0, 0), (255, 0, 0), (0, 0, 255), (0, 255, 0)}


@pytest.fixture(scope="module")
def many() -> dict[str, Array]:
    """Stacks (N, H, W, 3) of tumours, in which both classes are many."""
    records = [synthetic_stains(192, 192, seed, tissue="tumour") for seed in range(8)]
    return {n: np.stack([r["stains"][n] for r in records]).astype(float) for n in NAMES}


def masks(seg: Array) -> tuple[Array, Array, Array]:
    red, green, blue = (seg[..., c] > 127 for c in range(3))
    return red, blue, ~red & ~green & ~blue


def test_seg_has_four_colours_and_only_them() -> None:
    seg = synthetic_stains(256, 256, 1)["stains"]["seg"]
    assert set(map(tuple, seg.reshape(-1, 3).tolist())) == COLOURS


def test_fluorescence_is_bright_on_black_and_brightfield_dark_on_light(
    many: dict[str, Array],
) -> None:
    positive, negative, outside = masks(many["seg"])
    cells = positive | negative
    level = {name: stack.max(axis=3) for name, stack in many.items()}
    for name in ("dapi", "lap2"):
        assert level[name][cells].mean() > 3 * level[name][outside].mean()
        assert level[name][outside].mean() < 25
    for name in ("ihc", "hematoxylin"):
        assert many[name][outside].mean() > max(180, 25 + many[name][cells].mean())


def test_gray_stains_are_gray_and_lap2_is_green(many: dict[str, Array]) -> None:
    for name in ("dapi", "marker"):
        assert (many[name] == many[name][..., :1]).all()
    red, green, blue = many["lap2"].reshape(-1, 3).mean(axis=0)
    assert green > 4 * max(red, blue)


def test_the_marker_and_the_brown_tell_positive_cells(many: dict[str, Array]) -> None:
    positive, negative, _ = masks(many["seg"])
    marker = many["marker"][..., 0]
    assert marker[positive].mean() > 5 * marker[negative].mean()
    brown = {name: many[name][..., 0] - many[name][..., 2] for name in ("ihc", "hematoxylin")}
    assert brown["ihc"][positive].mean() > 10 > -10 > brown["ihc"][negative].mean()
    assert abs(brown["hematoxylin"][positive].mean() - brown["hematoxylin"][negative].mean()) < 15


def test_lap2_is_brightest_at_the_rim(many: dict[str, Array]) -> None:
    positive, negative, _ = masks(many["seg"])
    rim, middle = [], []
    for cells, lap2 in zip(positive | negative, many["lap2"][..., 1], strict=True):
        depth = cv2.distanceTransform(cells.astype(np.uint8), cv2.DIST_L2, 3)
        rim.append(lap2[(depth > 0) & (depth < 2)].mean())
        middle.append(lap2[depth > 6].mean())
    assert np.mean(rim) > 1.3 * np.mean(middle)


def test_cells_of_seg_stand_apart() -> None:
    """Each nucleus is one piece in its colour, whatever touches it."""
    labels = np.zeros((20, 30), np.int32)
    labels[5:15, 5:12], labels[5:15, 12:20], labels[15:18, 8:16] = 1, 2, 3
    seg = draw_seg(labels, np.array([True, False, True]))
    pieces = [
        cv2.connectedComponents((seg[..., c] > 0).astype(np.uint8), connectivity=8)[0] - 1
        for c in (0, 2)
    ]
    assert pieces == [2, 1]
    assert (seg[labels == 1] != (0, 0, 255)).any(axis=-1).all()
    green = seg[..., 1] > 0
    assert green[3:5, 7:18].all()
    assert not green[:3].any(), "two pixels wide"


def test_an_image_depends_on_seed_split_and_index_alone() -> None:
    data = SyntheticStains(3, tile=64)
    assert np.array_equal(data[2]["stains"]["ihc"], data[-1]["stains"]["ihc"])
    others = [
        SyntheticStains(3, "val", tile=64)[2],
        SyntheticStains(3, tile=64, seed=1)[2],
        data[1],
    ]
    assert len({r["place"].slide for r in [*others, data[2]]}) == 4
    assert all(not np.array_equal(r["stains"]["ihc"], data[2]["stains"]["ihc"]) for r in others)
    with pytest.raises(IndexError, match="index 3 is outside a data set of 3 images"):
        data[3]


def test_stains_are_those_asked_for_in_their_order() -> None:
    data = SyntheticStains(1, tile=[48, 80], stains=["seg", "ihc"])
    shapes = {name: picture.shape for name, picture in data[0]["stains"].items()}
    assert list(shapes.items()) == [("seg", (48, 80, 3)), ("ihc", (48, 80, 3))]
    assert set(data[0]) == data.provides
    with pytest.raises(ValueError, match="unknown stain 'pas'; choose from"):
        SyntheticStains(1, stains=["pas"])
    with pytest.raises(ValueError, match=r"stains \[\] name some of"):
        SyntheticStains(1, stains=[])
