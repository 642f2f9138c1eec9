"""Nuclei as struct of arrays: the same objects, whatever way they are cut and moved."""

import numpy as np

from histoseg.contracts import Nuclei
from writers.drawn import hard_labels, instances_of


def same(a: Nuclei, b: Nuclei) -> None:
    for name in vars(a):
        if name != "measures":
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
            assert getattr(a, name).dtype == getattr(b, name).dtype, name
    assert set(a.measures) == set(b.measures)
    for name, values in a.measures.items():
        np.testing.assert_array_equal(values, b.measures[name])


def some() -> Nuclei:
    found = instances_of(hard_labels())
    return Nuclei.of(found, {"dye": np.linspace(0, 1, len(found))})


def test_they_are_the_instances() -> None:
    found, nuclei = instances_of(hard_labels()), some()
    assert len(nuclei) == len(found)
    assert nuclei.ids.dtype == np.int64
    assert nuclei.points_xy.dtype == np.int32
    for ours, theirs in zip(nuclei.contours(), found.contour_xy, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_cut_and_joined_they_are_the_same() -> None:
    nuclei = some()
    same(Nuclei.joined([nuclei[:3], nuclei[3:3], nuclei[3:]]), nuclei)


def test_a_mask_and_numbers_choose_rows() -> None:
    nuclei = some()
    odd = nuclei.ids % 2 == 1
    same(nuclei[odd], nuclei[np.flatnonzero(odd)])
    assert nuclei[odd].ids.tolist() == [3, 5, 9, 11, 21]
    np.testing.assert_array_equal(nuclei[odd].contours()[1], nuclei.contours()[2])


def test_moved_there_and_back() -> None:
    nuclei = some()
    moved = nuclei.shifted(100, -7)
    np.testing.assert_array_equal(moved.centroid_xy, nuclei.centroid_xy + [100, -7])
    np.testing.assert_array_equal(moved.box_xyxy, nuclei.box_xyxy + [100, -7, 100, -7])
    same(moved.shifted(-100, 7), nuclei)


def test_none_at_all() -> None:
    none = Nuclei.of(instances_of(np.zeros((5, 5), int)))
    assert len(none) == 0
    assert none.contours() == []
    same(Nuclei.joined([none, none]), none)
    same(none.shifted(3, 3), none)
