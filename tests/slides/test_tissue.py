from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage
from PIL import Image

from fakes.arrays import ArraySlide
from histoseg.contracts import Array
from histoseg.data.synthetic import synthetic_tissue
from histoseg.errors import SlideError, UnreadableFileError
from histoseg.slides import TissueFinder, TissueMask, open_slide

PENS = {
    "blue": (30, 60, 180),
    "light blue": (50, 80, 190),
    "cyan": (10, 120, 200),
    "green": (40, 150, 80),
    "black": (20, 20, 25),
    "red": (215, 30, 40),
}
FINDER = TissueFinder(grow_um=0)
MPP = 8.0


def slide(
    stain: str = "he", strength: float = 1.0, glass: tuple[int, int, int] = (244, 243, 246)
) -> tuple[Array, Array]:
    """A picture at 8 um/px of three round pieces on noisy glass, and where they are."""
    rng = np.random.default_rng(0)
    picture = np.empty((300, 420, 3))
    picture[:] = glass
    picture *= (1 - 0.03 * np.linspace(0, 1, 420))[:, None]  # light falls off to the right
    truth = np.zeros((300, 420), np.bool_)
    rows, columns = np.mgrid[:300, :420]
    for number, (y, x) in enumerate([(80, 90), (80, 300), (220, 200)]):
        tissue = ("tumour", "lymphoid", "tumour")[number]
        drawn = synthetic_tissue(480, 480, number, stain=stain, tissue=tissue)["image"]
        small = cv2.resize(drawn, (120, 120), interpolation=cv2.INTER_AREA) / 255
        piece = (rows - y) ** 2 + (columns - x) ** 2 < 55**2
        truth |= piece
        around = (slice(y - 60, y + 60), slice(x - 60, x + 60))
        seen = picture[around] * small**strength
        picture[around] = np.where(piece[around][..., None], seen, picture[around])
    return noisy(picture, rng), truth


def noisy(picture: Array, rng: np.random.Generator) -> Array:
    eight = (picture + rng.normal(0, 2, picture.shape)).clip(0, 255).astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", eight, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))


def overlap(found: Array, truth: Array) -> float:
    return float((found & truth).sum() / (found | truth).sum())


@pytest.mark.parametrize(
    ("options", "least"),
    [
        ({}, 0.95),
        ({"stain": "ihc"}, 0.9),
        ({"strength": 0.3}, 0.85),
        ({"glass": (225, 220, 205)}, 0.95),
        ({"glass": (255, 255, 255)}, 0.95),
    ],
    ids=["he", "ihc", "pale", "tinted glass", "white glass"],
)
def test_tissue_is_found(options: dict[str, object], least: float) -> None:
    picture, truth = slide(**options)  # type: ignore[arg-type]
    assert overlap(FINDER.in_picture(picture, MPP), truth) > least


@pytest.mark.parametrize("pen", PENS)
@pytest.mark.parametrize("stain", ["he", "ihc"])
def test_pen_marks_are_no_tissue(pen: str, stain: str) -> None:
    picture, truth = slide(stain)
    clean = FINDER.in_picture(picture, MPP)
    line = np.zeros(truth.shape, np.uint8)
    cv2.line(line, (20, 280), (400, 160), 1, 20)
    cv2.circle(line, (90, 80), 70, 1, 12)
    cv2.line(picture, (20, 280), (400, 160), PENS[pen], 20, cv2.LINE_AA)
    cv2.circle(picture, (90, 80), 70, PENS[pen], 12, cv2.LINE_AA)
    picture = noisy(picture, np.random.default_rng(1))
    found = FINDER.in_picture(picture, MPP)
    drawn = line > 0
    assert found[drawn].mean() < 0.01
    assert overlap(found, clean & ~cv2.dilate(line, np.ones((13, 13))).astype(bool)) > 0.85
    kept = TissueFinder(grow_um=0, ink=False).in_picture(picture, MPP)
    assert kept[drawn].mean() > 0.95


def test_glass_is_empty_and_a_covered_slide_is_full() -> None:
    rng = np.random.default_rng(0)
    assert not FINDER.in_picture(noisy(np.full((200, 300, 3), 243.0), rng), MPP).any()
    dirty = np.full((200, 300, 3), 243.0)
    dirty[50:54, 50:54] = 60
    dirty[100:103, 20:280] = 225  # the edge of the cover glass
    assert not FINDER.in_picture(noisy(dirty, rng), MPP).any()
    for stain in ("he", "ihc"):
        drawn = synthetic_tissue(800, 800, 1, stain=stain, tissue="lymphoid")["image"]
        small = cv2.resize(drawn, (200, 200), interpolation=cv2.INTER_AREA)[:120]  # no vessel
        assert TissueFinder().in_picture(small, MPP).mean() > 0.97


def test_holes_and_specks_by_their_size() -> None:
    picture = np.full((200, 200, 3), 244, np.uint8)
    stain = np.array([200, 120, 180], np.uint8)
    picture[40:160, 40:160] = stain
    picture[80:100, 80:100] = 244  # 0.0256 mm2
    picture[10:20, 10:20] = stain  # 0.0064 mm2
    found = TissueFinder(grow_um=0, max_hole_mm2=0.02, min_area_mm2=0.01).in_picture(picture, MPP)
    assert not found[85:95, 85:95].any()
    assert not found[:30, :30].any()
    found = TissueFinder(grow_um=0, max_hole_mm2=0.03, min_area_mm2=0.005).in_picture(picture, MPP)
    assert found[85:95, 85:95].all()
    assert found[12:18, 12:18].all()
    wide = TissueFinder(grow_um=80).in_picture(picture, MPP)
    assert wide[100, 30]
    assert not wide[100, 25]


def test_the_photograph_and_the_real_slide(shared_data: Path) -> None:
    photograph = Path(skimage.__file__).parent / "data" / "ihc.png"
    with open_slide(photograph, mpp=0.5) as picture:
        assert TissueFinder()(picture).share > 0.95
    with open_slide(shared_data / "wsi" / "CMU-1-Small-Region.svs") as real:
        mask = FINDER(real)
        assert 0.35 < mask.share < 0.5  # by eye
        height, width = real.size
        assert not mask.any_in(0, height * 0.45, width * 0.2, height * 0.7)  # glass at the left
        assert mask.any_in(width * 0.4, height * 0.5, width * 0.5, height * 0.6)
        assert mask.area_mm2((0.499, 0.499)) == pytest.approx(mask.share * 1.64, rel=0.01)


def test_a_slide_is_looked_at_from_its_pyramid() -> None:
    picture, truth = slide()
    large = np.repeat(np.repeat(picture, 4, 0), 4, 1)
    mask = FINDER(ArraySlide(large, mpp=2.0, factors=(1, 2)))
    assert mask.scale == (4, 4)
    assert overlap(mask.inside, truth) > 0.95


@pytest.mark.parametrize("seed", range(3))
def test_boxes_that_touch_the_mask(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = TissueMask(rng.random((13, 17)) < 0.1, (7.3, 5.9), (76, 123))
    fine = np.kron(mask.inside, np.ones((59, 73), np.bool_))  # tenths of level-0 pixels
    tenths = rng.integers((-200, -200, 10, 10), (1200, 800, 300, 300), (300, 4))
    tenths[:, 2:] += tenths[:, :2]
    boxes = (tenths + np.array([0.5, 0.5, -0.5, -0.5])) / 10  # never on an edge of a pixel
    expected = [fine[t:b, x:r].any() for x, t, r, b in tenths.clip(0)]
    # only the pixels of the mask count: a box inside one is as good as the whole pixel
    np.testing.assert_array_equal(mask.any_in(*boxes.T), expected)


def test_a_given_mask_may_have_any_resolution(tmp_path: Path) -> None:
    inside = np.zeros((30, 41), np.uint8)
    inside[10:20, 5:8] = 1  # any value above 0
    Image.fromarray(inside).save(tmp_path / "m.png")
    mask = TissueMask.from_file(tmp_path / "m.png", (3000, 4096))
    assert mask.scale == pytest.approx((4096 / 41, 100))
    assert mask.any_in([520, 820], [1200, 1200], [530, 900], [1210, 1300]).tolist() == [True, False]
    assert mask.share == pytest.approx(30 / 1230)
    with pytest.raises(SlideError, match=r"m\.png is 41 x 30 .* a slide of 3000 x 4096"):
        TissueMask.from_file(tmp_path / "m.png", (4096, 3000))
    with pytest.raises(UnreadableFileError, match=r"none\.png"):
        TissueMask.from_file(tmp_path / "none.png", (3000, 4096))


def test_regions_take_what_they_touch() -> None:
    triangle = np.array([[100.0, 100.0], [299.0, 100.0], [100.0, 299.0]])
    dot = np.array([[501.0, 333.0]])
    mask = TissueMask.from_regions([[triangle], [dot]], (400, 600), step=10)
    assert mask.inside.shape == (40, 60)
    assert mask.any_in(105, 105, 110, 110)
    assert not mask.any_in(250, 250, 300, 300)
    assert not mask.any_in(0, 0, 99, 400)
    assert mask.any_in(500, 330, 502, 335)
    assert mask.share == pytest.approx(210.0 / 2400, abs=0.01)
    with pytest.raises(SlideError, match="none of the 1 regions touches the slide of 600 x 400"):
        TissueMask.from_regions([[triangle + 5000]], (400, 600), step=10)


def test_everywhere_is_everywhere() -> None:
    mask = TissueMask.everywhere((300, 400))
    assert mask.share == 1
    assert mask.any_in([0, 399, 400], [0, 299, 0], [1, 400, 500], [1, 300, 9]).tolist() == [1, 1, 0]
