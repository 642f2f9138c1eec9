import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from histoseg.ops.instances import instances_from_labels


def test_a_disc_is_described_in_closed_form() -> None:
    y, x = np.indices((40, 50))
    disc = ((x - 20) ** 2 + (y - 15) ** 2 <= 100).astype(np.int32)
    found = instances_from_labels(disc * 3)
    assert found.ids.tolist() == [3]
    assert found.box_xyxy.tolist() == [[10, 5, 31, 26]]
    assert found.centroid_xy.tolist() == [[20.0, 15.0]]
    outline = found.contour_xy[0]
    assert np.abs(np.hypot(*(outline - [20, 15]).T) - 10).max() < 1
    assert found.semantic.tolist() == [0]
    assert found.score.tolist() == [1.0]


def test_refilling_the_contours_gives_the_objects_back() -> None:
    y, x = np.indices((64, 64))
    labels = np.where((x % 16 - 8) ** 2 + (y % 16 - 8) ** 2 < 45, x // 16 * 4 + y // 16 + 1, 0)
    found = instances_from_labels(labels)
    assert len(found) == 16
    painted = np.zeros(labels.shape, dtype=np.int32)
    for number, outline in zip(found.ids.tolist(), found.contour_xy, strict=True):
        cv2.fillPoly(painted, [outline], number)
    assert np.array_equal(painted, labels)


def test_tiny_objects_keep_their_rows() -> None:
    labels = np.array([[4, 0, 6, 6], [0, 0, 0, 0], [9, 9, 9, 9]])
    found = instances_from_labels(labels)
    assert found.ids.tolist() == [4, 6, 9]
    assert [len(outline) for outline in found.contour_xy] == [1, 2, 2]
    assert found.contour_xy[0].tolist() == [[0, 0]]


def test_nothing_gives_empty_arrays_of_the_right_shape() -> None:
    found = instances_from_labels(np.zeros((5, 5), dtype=np.int64), np.zeros((5, 5), dtype=int))
    assert len(found) == 0
    assert found.centroid_xy.shape == (0, 2)
    assert found.box_xyxy.shape == (0, 4)
    assert found.contour_xy == ()
    assert found.score.dtype == np.float32
    assert found.labels.dtype == np.int32


def test_an_object_without_background_around_it_is_found() -> None:
    found = instances_from_labels(np.ones((4, 6), dtype=np.int32))
    assert found.box_xyxy.tolist() == [[0, 0, 6, 4]]
    assert found.centroid_xy.tolist() == [[2.5, 1.5]]


def test_of_several_pieces_the_largest_is_outlined() -> None:
    labels = np.zeros((10, 20), dtype=np.int32)
    labels[1:3, 1:3] = labels[2:9, 8:18] = 1
    outline = instances_from_labels(labels).contour_xy[0]
    assert outline.min(axis=0).tolist() == [8, 2]


def test_score_is_the_mean_probability_where_there_are_no_classes() -> None:
    labels = np.array([[1, 1, 0, 2]])
    probability = np.array([[0.5, 1.0, 0.1, 0.25]], dtype=np.float32)
    assert instances_from_labels(labels, foreground=probability).score.tolist() == [0.75, 0.25]
    with pytest.raises(ValueError, match="same region"):
        instances_from_labels(labels, foreground=probability[:, :2])


def test_the_outline_published_with_hover_net_bounds_what_it_says(shared_data: Path) -> None:
    vectors = json.loads((shared_data / "golden_peers" / "metric_vectors.json").read_text())
    tile = vectors["hover_net_notebook_tile"]
    labels = np.zeros((40, 340), dtype=np.int32)
    cv2.fillPoly(labels, [np.array(tile["contour_xy"])], 1)
    found = instances_from_labels(labels)
    assert np.count_nonzero(labels) == tile["check"]["area"]
    assert found.centroid_xy[0].tolist() == tile["centroid_xy"]
    (top, left), (bottom, right) = tile["bbox_rmin_cmin_rmax_cmax"]
    assert found.box_xyxy[0].tolist() == [left, top, right, bottom]
    assert found.contour_xy[0].tolist() == tile["contour_xy"]
