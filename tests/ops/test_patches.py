import numpy as np
import pytest

from histoseg.ops.patches import Border, patch_corners, patch_padding
from ops.plain_patches import plainly


def ours(array: np.ndarray, window: int, step: int, border: Border) -> list[np.ndarray]:
    size = array.shape[:2]
    padding = patch_padding((size[0], size[1]), window, step, border)
    rest = ((0, 0),) * (array.ndim - 2)
    padded = np.pad(array, (*padding, *rest), mode="reflect")
    corners = patch_corners((padded.shape[0], padded.shape[1]), window, step)
    return [padded[y : y + window, x : x + window] for y, x in corners.tolist()]


@pytest.mark.parametrize("border", ["mirror", "valid"])
@pytest.mark.parametrize(
    ("size", "window", "step"),
    [
        ((50, 40), 20, 7),  # rests below and at the right
        ((50, 41), 20, 7),
        ((48, 40), 20, 7),  # below none, at the right one
        ((41, 48), 20, 7),
        ((48, 41), 20, 7),
        ((20, 20), 20, 20),
        ((35, 29), 9, 4),  # an odd spare: one more px below and at the right
        ((23, 61), 20, 1),
    ],
)
def test_patches_are_those_of_the_plain_formulation(
    size: tuple[int, int], window: int, step: int, border: Border
) -> None:
    image = np.random.default_rng(0).integers(0, 255, (*size, 5))
    expected, found = (cut(image, window, step, border) for cut in (plainly, ours))
    assert len(expected) == len(found) > 0
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_published_counts() -> None:
    padding = patch_padding((1000, 1000), 540, 164, "mirror")
    assert padding == ((188, 188), (188, 188))
    corners = patch_corners((1376, 1376), 540, 164)
    assert len(corners) == 49  # 6 x 6, 6 below, 6 at the right, the corner
    assert 27 * len(corners) == 1323
    assert 14 * len(corners) == 686
    assert corners[36:42, 0].tolist() == [836] * 6
    assert corners[42:48, 1].tolist() == [836] * 6
    assert corners[48].tolist() == [836, 836]


@pytest.mark.parametrize("size", [(164, 164), (163, 400), (40, 30), (5, 5), (2, 1), (1, 1)])
def test_images_smaller_than_the_border_are_reflected_again_and_again(
    size: tuple[int, int],
) -> None:
    image = np.arange(size[0] * size[1]).reshape(size)
    (top, bottom), (left, right) = patch_padding(size, 540, 164, "mirror")
    assert (top, left) == (188, 188)
    patches = ours(image, 540, 164, "mirror")
    assert all(patch.shape == (540, 540) for patch in patches)
    index = np.pad(np.arange(size[0]), (top, bottom), mode="reflect")
    columns = np.pad(np.arange(size[1]), (left, right), mode="reflect")
    np.testing.assert_array_equal(patches[0], image[np.ix_(index, columns)][:540, :540])
    assert set(np.unique(patches[0])) <= set(image.ravel())


def test_the_middles_cover_the_image_and_stay_in_it() -> None:
    for size in ((300, 200), (164, 170), (331, 165)):
        (top, bottom), (left, right) = patch_padding(size, 54, 16, "mirror")
        seen = np.zeros((size[0] + top + bottom, size[1] + left + right), bool)
        for y, x in patch_corners((seen.shape[0], seen.shape[1]), 54, 16):
            seen[y + 19 : y + 35, x + 19 : x + 35] = True
        inside = np.zeros_like(seen)
        inside[top : top + size[0], left : left + size[1]] = True
        np.testing.assert_array_equal(seen, inside)


@pytest.mark.parametrize(
    ("size", "window", "step", "border", "words"),
    [
        ((99, 200), 100, 10, "valid", "99 x 200 px .* holds no window of 100 px: use border"),
        ((0, 20), 100, 10, "mirror", "0 x 20 px"),
        ((200, 200), 100, 0, "valid", "step=0 must be positive"),
        ((200, 200), -1, 1, "valid", "window=-1"),
        ((200, 200), 100, 101, "mirror", "the step at most the window"),
        ((200, 200), 100, 10, "reflect", "border=reflect: expected mirror or valid"),
    ],
)
def test_what_makes_no_sense_is_refused(
    size: tuple[int, int], window: int, step: int, border: Border, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        patch_padding(size, window, step, border)
