"""Grids of the augmentation: what is drawn, in which order, and where it is written."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import Compose
from histoseg.engine.explore import _change, _pictures, explore

SMALL = ("n=1", "draws=2", "data.tile=64")


def test_a_page_and_a_grid_for_each_transform(composed: Compose, tmp_path: Path) -> None:
    out = tmp_path / "explore"
    page = explore(composed("explore", "data=synthetic", *SMALL, f"output={out}"))
    names = ["00_all_together", "01_tile", "02_symmetry", "03_sharpness", "04_stain", "05_colour"]
    assert [path.stem for path in sorted(out.glob("*.png"))] == names
    text = page.read_text()
    assert text.count("data:image/png;base64,") == len(names)
    assert "http" not in text.replace("http-equiv", "")  # it opens without a network
    assert "HEDJitter" in text
    assert list((out / "tensorboard").iterdir())


def test_rows_go_from_weak_to_strong(composed: Compose, tmp_path: Path) -> None:
    out = tmp_path / "explore"
    explore(composed("explore", "data=synthetic", *SMALL, "draws=4", f"output={out}"))
    grid = cv2.imread(str(out / "05_colour.png"))
    assert grid is not None
    cells = [grid[-70:-6, 6 + 70 * i : 70 + 70 * i] for i in range(5)]
    changes = [_change(cells[0], cell) for cell in cells]
    assert changes == sorted(changes)
    assert changes[0] == 0 < changes[1]


def test_every_stain_has_its_row(composed: Compose, tmp_path: Path) -> None:
    out = tmp_path / "explore"
    data = "data.augment.transforms={mirror:{_target_:albumentations.HorizontalFlip,p:0.5}}"
    explore(composed("explore", "data=synthetic_stains", data, *SMALL, f"output={out}"))
    grid = cv2.imread(str(out / "01_tile.png"))
    assert grid is not None
    assert len(grid) > 6 * 64


@pytest.mark.parametrize(("channels", "kind"), [(1, np.uint8), (2, np.float32), (5, np.uint8)])
def test_any_number_of_channels_is_a_picture(channels: int, kind: type) -> None:
    (picture,) = _pictures({"image": np.ones((4, 4, channels), kind)}, ()).values()
    assert picture.shape == (4, 4, 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize(
    ("override", "said"),
    [("n=0", "n=0"), ("draws=0", "draws=0"), ("data/augment=none", "n=99"), ("n=9999", "n=9999")],
)
def test_what_cannot_be_drawn(composed: Compose, tmp_path: Path, override: str, said: str) -> None:
    more = ["n=99999"] if said == "n=99" else []
    cfg = composed("explore", "data=synthetic", override, *more, f"output={tmp_path}")
    with pytest.raises(ValueError, match=said):
        explore(cfg)
