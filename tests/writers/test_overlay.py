from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from histoseg.writers import draw_outlines, write_overlay
from histoseg.writers.overlay import UNCLASSIFIED
from writers.drawn import CLASSES, COLOURS, hard_labels, instances_of, prediction_of


@pytest.mark.parametrize("thickness", [1, 2])
def test_the_line_is_the_object_less_its_eroded_inside(thickness: int) -> None:
    labels = hard_labels()
    found = instances_of(labels)
    colours = np.random.default_rng(0).integers(1, 255, (len(found), 3)).astype(np.uint8)
    drawn = draw_outlines(np.zeros((40, 60, 3), np.uint8), found, colours, thickness)
    for key, colour in zip(found.ids, colours, strict=True):
        inside = ndimage.binary_erosion(labels == key)  # beside another object: half the line
        inside &= ndimage.binary_erosion(labels > 0, iterations=thickness)
        assert (drawn[(labels == key) & ~inside] == colour).all()
        assert (drawn[inside] == 0).all()
    assert (drawn[labels == 0] == 0).all()


def test_the_image_is_not_changed_and_must_fit() -> None:
    found = instances_of(hard_labels())
    image = np.full((40, 60, 3), 9, np.uint8)
    colours = np.zeros((len(found), 3), np.uint8)
    draw_outlines(image, found, colours)
    assert (image == 9).all()
    with pytest.raises(ValueError, match="do not fit"):
        draw_outlines(image[:-1], found, colours)
    with pytest.raises(ValueError, match="do not fit"):
        draw_outlines(image, found, colours[:-1])


def test_labels_without_a_row_are_not_drawn() -> None:
    labels = hard_labels()
    found = instances_of(np.where(labels == 30, labels, 0))
    everything = instances_of(labels)
    partial = type(found)(
        labels, *[getattr(found, f) for f in ("ids", "semantic", "score", "centroid_xy")],
        found.box_xyxy, found.contour_xy,
    )  # fmt: skip
    drawn = draw_outlines(np.zeros((40, 60, 3), np.uint8), partial, np.full((1, 3), 255, np.uint8))
    assert len(everything) > 1
    assert drawn[labels == 30].any()
    assert not drawn[labels != 30].any()


def test_the_picture_has_the_colours_of_the_classes_and_a_legend(tmp_path: Path) -> None:
    prediction = prediction_of(hard_labels(), image=np.full((40, 60, 3), 7, np.uint8))
    picture = np.asarray(Image.open(write_overlay(tmp_path, prediction)))
    assert picture.shape[1:] == (60, 3)
    assert picture.shape[0] > 40
    found = prediction.instances
    for key, kind in zip(found.ids, found.semantic, strict=True):
        colour = (UNCLASSIFIED, *COLOURS)[kind]
        y, x = np.argwhere(found.labels == key)[0]
        assert tuple(picture[y, x]) == colour
    assert (picture[:40][found.labels == 0] == 7).all()
    legend = {tuple(colour) for colour in picture[40:].reshape(-1, 3).tolist()}
    assert {*COLOURS, UNCLASSIFIED, (255, 255, 255)} <= legend


def test_a_wide_picture_has_a_legend_of_one_line(tmp_path: Path) -> None:
    labels = np.pad(hard_labels(), ((0, 0), (0, 400)))
    picture = np.asarray(Image.open(write_overlay(tmp_path, prediction_of(labels))))
    assert picture.shape == (40 + 24, 460, 3)
    assert len(CLASSES) == 2
