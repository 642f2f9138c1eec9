import logging
import math
from pathlib import Path

import numpy as np
import pytest
import tifffile

from fakes import dicom, slides
from histoseg.slides import open_slide
from histoseg.slides.box import Box
from histoseg.slides.openslide_file import _bounds
from histoseg.slides.resolution import settle

RGB = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)


def write_tags(path: Path, unit: str, x: float, y: float) -> None:
    tifffile.imwrite(path, RGB, photometric="rgb", resolution=(x, y), resolutionunit=unit)


def test_tiff_says_pixels_per_unit(tmp_path: Path) -> None:
    write_tags(tmp_path / "a.tif", "CENTIMETER", 40_000, 20_000)
    write_tags(tmp_path / "b.tif", "INCH", 50_800, 50_800)
    with open_slide(tmp_path / "a.tif") as slide:
        assert slide.mpp == (0.25, 0.5)
    with open_slide(tmp_path / "b.tif") as slide:
        assert slide.mpp == (0.5, 0.5)


def test_imagej_says_its_unit(tmp_path: Path) -> None:
    gray = RGB[..., 0]
    options = {"imagej": True, "resolution": (4.0, 4.0), "metadata": {"unit": "um"}}
    tifffile.imwrite(tmp_path / "a.tif", gray, **options)
    with open_slide(tmp_path / "a.tif") as slide:
        assert slide.mpp == (0.25, 0.25)


@pytest.mark.parametrize(
    ("metadata", "mpp"),
    [
        ({"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.26}, (0.25, 0.26)),
        ({"PhysicalSizeX": 250, "PhysicalSizeXUnit": "nm"}, (0.25, 0.25)),
        (
            {
                "PhysicalSizeX": 0.0005,
                "PhysicalSizeXUnit": "mm",
                "PhysicalSizeY": 0.5,
                "PhysicalSizeYUnit": "µm",
            },
            (0.5, 0.5),
        ),
        ({"PhysicalSizeX": 1, "PhysicalSizeXUnit": "pixel"}, None),
        ({}, None),
    ],
)
def test_ome_says_sizes_with_units(
    tmp_path: Path, metadata: dict[str, object], mpp: tuple[float, float] | None
) -> None:
    slides.ome(tmp_path / "a.ome.tif", RGB, **metadata)
    with open_slide(tmp_path / "a.ome.tif") as slide:
        assert slide.mpp == (None if mpp is None else pytest.approx(mpp))


def test_dicom_says_millimetres_between_rows(tmp_path: Path) -> None:
    dicom.write(tmp_path, RGB, spacing=0.0005)
    with open_slide(tmp_path / "level0.dcm") as slide:
        assert slide.mpp == (0.5, 0.5)


def test_aperio_says_it_and_the_user_knows_better(tmp_path: Path) -> None:
    slides.svs(tmp_path / "a.svs", RGB)
    for given, expected in (
        ({}, ((0.25, 0.25), 40)),
        ({"mpp": 0.5}, ((0.5, 0.5), 40)),
        ({"magnification": 20}, ((0.5, 0.5), 20)),
        ({"mpp": 0.3, "magnification": 20}, ((0.3, 0.3), 20)),
    ):
        with open_slide(tmp_path / "a.svs", **given) as slide:  # type: ignore[arg-type]
            assert (slide.mpp, slide.magnification) == expected


@pytest.mark.parametrize("per_inch", [72, 96, 300, 1, 1e9])
def test_a_print_resolution_is_none(
    tmp_path: Path, per_inch: float, caplog: pytest.LogCaptureFixture
) -> None:
    write_tags(tmp_path / "a.tif", "INCH", per_inch, per_inch)
    with open_slide(tmp_path / "a.tif") as slide:
        assert slide.mpp is None
    assert "which no slide has" in caplog.text


@pytest.mark.parametrize("wrong", [0.0, math.inf, math.nan, -0.25, 1e6])
def test_what_no_slide_has_is_unknown(wrong: float, caplog: pytest.LogCaptureFixture) -> None:
    found = settle(Path("a.svs"), (0.25, wrong), None)
    assert found.mpp is None
    assert "a.svs says 0.25 x" in caplog.text
    with pytest.raises(ValueError, match=r"mpp=.*expected micrometres per pixel, 0\.05 to 20"):
        settle(Path("a.svs"), None, None, given=wrong)
    with pytest.raises(ValueError, match="expected a number such as 40"):
        settle(Path("a.svs"), None, None, given_magnification=wrong)


def test_a_magnification_stands_in(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert settle(Path("a"), None, 40.0).mpp == (0.25, 0.25)
    assert "a has no resolution; 40x is taken for 0.25" in caplog.text
    assert settle(Path("a"), (0.3, 0.3), 40.0).mpp == (0.3, 0.3)
    assert settle(Path("a"), None, 0.0) == settle(Path("a"), None, None)


def test_oblong_pixels_are_told(caplog: pytest.LogCaptureFixture) -> None:
    assert settle(Path("a"), (0.25, 0.5), None).mpp == (0.25, 0.5)
    assert "oblong pixels, 0.25 x 0.5" in caplog.text


def test_bounds_are_where_openslide_says() -> None:
    names = ("x", "y", "width", "height")
    properties = {f"openslide.bounds-{n}": v for n, v in zip(names, "1234", strict=True)}
    assert _bounds(properties) == Box(1, 2, 4, 6)
    assert _bounds({}) is None
