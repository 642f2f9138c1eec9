import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import watershed

from histoseg.postprocess import flood as module
from histoseg.postprocess.flood import flood


def case(seed: int, levels: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random landscape, markers and components; few levels make many ties."""
    rng = np.random.default_rng(seed)
    rough = cv2.GaussianBlur(rng.normal(size=(60, 70)), (0, 0), 2)
    components = ndimage.label(rough > -0.05)[0].astype(np.int32)
    markers = ndimage.label(cv2.GaussianBlur(rng.normal(size=(60, 70)), (0, 0), 2) > 0.12)[0]
    landscape = -cv2.GaussianBlur(rng.random((60, 70)), (0, 0), 1)
    if levels:
        landscape = np.round(landscape * levels) / levels
    return landscape, markers.astype(np.int32), components


@pytest.mark.parametrize("levels", [None, 400, 20, 2])
@pytest.mark.parametrize("seed", range(12))
def test_equal_to_a_watershed_of_the_whole_map(seed: int, levels: int | None) -> None:
    landscape, markers, components = case(seed, levels)
    whole = watershed(landscape, markers, mask=components > 0)
    flooded = flood(landscape, markers, components)
    assert flooded.dtype == np.int32
    assert np.array_equal(flooded, whole)
    assert len(np.unique(whole)) > 5


def test_without_markers_or_components_nothing_is_found() -> None:
    nothing = np.zeros((4, 5), dtype=np.int32)
    assert not flood(np.zeros((4, 5)), nothing, nothing).any()
    assert not flood(np.zeros((4, 5)), nothing, nothing + 1).any()
    assert not flood(np.zeros((4, 5)), nothing + 1, nothing).any()


def test_one_marker_fills_its_component_and_no_other() -> None:
    components = np.array([[1, 1, 1, 0, 2, 2]], dtype=np.int32)
    markers = np.array([[0, 0, 7, 0, 0, 0]], dtype=np.int32)
    assert flood(np.zeros((1, 6)), markers, components).tolist() == [[7, 7, 7, 0, 0, 0]]


@pytest.mark.parametrize("seed", range(30))
def test_one_tie_in_some_components_is_equal_too(seed: int) -> None:
    """Two seeds of a component made equally low, harmlessly or not."""
    landscape, markers, components = case(seed, None)
    rng = np.random.default_rng(seed)
    for number in rng.permutation(np.arange(1, components.max() + 1))[:4]:
        inside = np.argwhere((components == number) & (markers > 0))
        if len(inside) > 1:
            (a, b), (c, d) = inside[rng.choice(len(inside), 2, replace=False)]
            landscape[a, b] = landscape[c, d]
    whole = watershed(landscape, markers, mask=components > 0)
    assert np.array_equal(flood(landscape, markers, components), whole)


def test_a_tie_that_decides_is_left_to_the_whole_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """The middle pixel goes to whichever of two equally low markers comes first."""
    components = np.ones((1, 5), dtype=np.int32)
    markers = np.array([[1, 1, 0, 2, 2]], dtype=np.int32)
    landscape = np.array([[-3.0, -1.0, -0.5, -1.0, -2.0]])
    called = []
    real = module.watershed
    monkeypatch.setattr(module, "watershed", lambda *a, **k: called.append(1) or real(*a, **k))
    whole = watershed(landscape, markers, mask=components > 0)
    assert np.array_equal(flood(landscape, markers, components), whole)
    assert called
    landscape[0, 3] = -0.9
    assert flood(landscape, markers, components).tolist() == [[1, 1, 1, 2, 2]]
    assert len(called) == 1, "without the tie there is no need"


def test_another_scikit_image_is_slower_and_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    landscape, markers, components = case(0, None)
    flooded = flood(landscape, markers, components)
    monkeypatch.setattr(module, "watershed_raveled", None)
    assert np.array_equal(flood(landscape, markers, components), flooded)
