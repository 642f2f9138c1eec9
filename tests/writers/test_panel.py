import numpy as np
import pytest

from histoseg.writers import colour_semantic, hv_to_rgb, panel
from histoseg.writers.legend import title


def test_pictures_stand_in_the_middle_of_their_cells() -> None:
    big, small = np.zeros((20, 30, 3), np.uint8), np.full((10, 10, 3), 99, np.uint8)
    joined = panel([[big, small], [small, big]])
    assert joined.shape == (6 + 20 + 6 + 20 + 6, 6 + 30 + 6 + 30 + 6, 3)
    assert (joined[6:26, 6:36] == 0).all()
    assert (joined[11:21, 52:62] == 99).all()
    assert (joined[:6] == 255).all()
    assert (joined[:, 36:42] == 255).all()
    assert int((joined == 99).sum()) == 2 * small.size


def test_titles_stand_above_the_columns() -> None:
    picture = np.full((40, 80, 3), 255, np.uint8)
    plain, titled = panel([[picture, picture]]), panel([[picture, picture]], ["input", "truth"])
    assert titled.shape[0] > plain.shape[0]
    assert (titled[:, :86] < 128).any()
    assert (titled[:, 92:] < 128).any()
    assert (plain == 255).all()


@pytest.mark.parametrize(
    ("images", "titles"), [([[0], [0, 0]], ()), ([], ()), ([[]], ()), ([[0]], ("a", "b"))]
)
def test_ragged_panels_are_refused(images: list[list[int]], titles: tuple[str, ...]) -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="expected rows of one length"):
        panel([[picture for _ in row] for row in images], titles)


@pytest.mark.parametrize("picture", [np.zeros((4, 4)), np.zeros((4, 4, 3))])
def test_what_is_not_rgb_is_refused(picture: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected \(h, w, 3\) uint8"):
        panel([[picture]])


def test_distances_are_blue_white_red() -> None:
    rgb = hv_to_rgb(np.array([[-9, -0.5, 0, 0.5, 9, np.nan]]))
    assert rgb[0].tolist() == [
        [0, 0, 255],
        [128, 128, 255],
        [255, 255, 255],
        [255, 128, 128],
        [255, 0, 0],
        [255, 255, 255],
    ]


def test_classes_have_their_colours() -> None:
    colours = ((255, 0, 0), (1, 2, 3))
    assert colour_semantic(np.array([[0, 2, 1]]), colours).tolist() == [
        [[0, 0, 0], [1, 2, 3], [255, 0, 0]]
    ]
    with pytest.raises(ValueError, match="class 3 has no colour"):
        colour_semantic(np.array([[3]]), colours)


@pytest.mark.parametrize("width", [60, 128, 400])
def test_titles_stay_in_their_column(width: int) -> None:
    long = title("hematoxylin to hematoxylin, made", width)
    assert long.shape == (24, width, 3)
    ink = (long.min(axis=2) < 128).any(axis=0)
    assert ink.any()
    other = title("hematoxylin to hematoxylin, true", width)
    assert (long != other).any(), "ends tell columns apart"
    assert not ink[[0, -1]].any(), "nothing is cut off"
