import numpy as np

from histoseg.prepare.join_points import join_points


def nuclei() -> np.ndarray:
    """Two squares side by side with a gap of four columns, and one far away."""
    labels = np.zeros((20, 40), dtype=np.int32)
    labels[4:9, 4:9], labels[4:9, 13:18], labels[14:18, 34:38] = 3, 7, 20
    return labels


def test_a_point_inside_wins_whatever_is_nearer_outside() -> None:
    joined = join_points(nuclei(), np.array([[8, 8, 1], [9, 6, 2]]), radius=3)
    assert joined.class_of[3] == 1
    assert joined.unjoined.tolist() == [1], "its nucleus has a point, the other is 4 px away"
    joined = join_points(nuclei(), np.array([[8, 8, 1], [9, 6, 2]]), radius=4)
    assert joined.class_of[[3, 7]].tolist() == [1, 2]


def test_of_several_points_inside_the_central_one_stays() -> None:
    joined = join_points(nuclei(), np.array([[4, 4, 1], [6, 6, 2], [8, 8, 3]]), radius=2)
    assert joined.class_of[3] == 2
    assert joined.unjoined.tolist() == [0, 2]


def test_of_several_points_outside_the_nearest_is_joined() -> None:
    joined = join_points(nuclei(), np.array([[20, 6, 1], [19, 6, 2]]), radius=5)
    assert joined.class_of[7] == 2
    assert joined.unjoined.tolist() == [0]


def test_a_point_that_comes_second_takes_the_next_nucleus() -> None:
    joined = join_points(nuclei(), np.array([[11, 6, 1], [11.4, 6, 2]]), radius=5)
    assert joined.class_of[[3, 7]].tolist() == [1, 2]
    assert not len(joined.unjoined)


def test_beyond_the_radius_nothing_is_joined() -> None:
    joined = join_points(nuclei(), np.array([[38, 10, 1]]), radius=3)
    assert not joined.class_of.any()
    assert joined.unjoined.tolist() == [0]
    assert "within 3 px" in joined.why


def test_points_outside_the_image_may_still_be_near() -> None:
    labels = np.zeros((5, 5), dtype=np.int32)
    labels[:2, :2] = 1
    assert join_points(labels, np.array([[-1, 0, 2]]), radius=1).class_of[1] == 2


def test_nothing_to_join() -> None:
    none = np.zeros((0, 3))
    assert not join_points(nuclei(), none, 3).class_of.any()
    empty = np.zeros((4, 4), dtype=np.int32)
    assert join_points(empty, np.array([[1, 1, 1]]), 3).unjoined.tolist() == [0]
