"""``histoseg analyse``."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from histoseg.annotations import read_drawing
from histoseg.writers import check_geojson

from .conftest import Call

SIZE = (600, 800)  # height, width
GRADES = ("negative", "weak", "moderate", "strong")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, nuclei: list[tuple[float, float, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "class", "x", "y"), *_lines(nuclei)])


def _lines(nuclei: list[tuple[float, float, str]]) -> list[tuple[object, ...]]:
    return [(i, kind, x, y) for i, (x, y, kind) in enumerate(nuclei)]


def planted() -> list[tuple[float, float, str]]:
    """A nucleus every 20 px, all negative; in a square of 200 px at (400, 200) four for each."""
    nuclei = []
    for n, (y, x) in enumerate(np.ndindex(30, 40)):
        kind, place = "negative", (x * 20 + 10.0, y * 20 + 10.0)
        inside = 400 <= place[0] < 600 and 200 <= place[1] < 400
        if inside:
            kind = GRADES[1 + n % 3]
            nuclei += [(place[0] + d, place[1] + e, kind) for d, e in ((5, 0), (0, 5), (5, 5))]
        nuclei.append((*place, kind))
    return nuclei


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    write(tmp_path / "nuclei" / "a.1.csv", planted())
    picture = np.full((*SIZE, 3), 230, np.uint8)
    (tmp_path / "images").mkdir()
    Image.fromarray(picture).save(tmp_path / "images" / "a.1.png")
    return tmp_path


COMMON = ("image=images", "mpp=0.5", "bin=20px", "hotspots.window=200px")


def test_planted_numbers_come_out(histoseg_: Call, slides: Path) -> None:
    said = histoseg_("analyse", "input=nuclei", *COMMON, "smooth=0")
    assert said.code == 0, said.err
    out = slides / "analysis"
    slide, top, *_ = rows(out / "summary.csv")
    assert (slide["kind"], slide["nuclei"], slide["positive"]) == ("slide", "1500", "400")
    assert float(slide["index"]) == pytest.approx(400 / 1500)
    assert float(slide["index_low"]) < 400 / 1500 < float(slide["index_high"])
    mm2 = 600 * 800 * 0.25 / 1e6
    assert float(slide["area_mm2"]) == pytest.approx(mm2)
    assert float(slide["per_mm2"]) == pytest.approx(1500 / mm2)
    weak, moderate, strong = (int(slide[kind]) for kind in GRADES[1:])
    assert weak + moderate + strong == 400
    points = 100 * (weak + 2 * moderate + 3 * strong)
    assert float(slide["h_score"]) == pytest.approx(points / 1500)
    assert float(slide["strong_moderate_rate"]) == pytest.approx((strong + moderate) / 1500)
    assert [top[k] for k in ("name", "left", "top", "right", "bottom")] == [
        *("top1", "400", "200", "600", "400")
    ]
    assert (top["positive"], float(top["index"]), float(top["score"])) == ("400", 1.0, 400.0)
    assert len(rows(out / "summary.csv")) == 2, "no empty windows to fill up five"
    assert "26.7% [24.5%, 29.0%]" in said.out
    with tifffile.TiffFile(out / "density" / "a.1.tif") as tiff:
        values = tiff.asarray(key=0)
        assert [page.description for page in tiff.pages][1:] == ["negative", *sorted(
            GRADES[1:], key=[n[2] for n in planted()].index
        )]  # fmt: skip
        assert tiff.pages[0].tags["XResolution"].value == (1000, 1), "bins of 10 µm, per cm"
    assert values.dtype == np.float32
    assert values.shape == (30, 40)
    assert values[10, 20] == pytest.approx(4 / (10 * 10) * 1e6)
    assert values[0, 0] == 0
    bins = rows(out / "density" / "a.1.csv")
    assert sum(int(row[kind]) for row in bins for kind in GRADES) == 1500
    picture = np.asarray(Image.open(out / "density" / "a.1.png"))
    assert picture.min() < 80, "the hottest is dark"


def test_hotspots_open_in_viewers(histoseg_: Call, slides: Path) -> None:
    nuclei = [(50.0 + 100 * i, 50.0, "weak") for i in range(8) for _ in range(9 - i)]
    write(slides / "nuclei" / "a.1.csv", [*nuclei, (5.0, 5.0, "negative")])
    settings = ["bin=50px", "hotspots.window=100px", "hotspots.number=8"]
    assert histoseg_("analyse", "input=nuclei", *COMMON, *settings).code == 0
    folder = slides / "analysis" / "hotspots"
    assert check_geojson(folder / "a.1.geojson") == []
    features = json.loads((folder / "a.1.geojson").read_text())["features"]
    assert [f["properties"]["name"] for f in features] == [f"top{i}" for i in range(1, 9)]
    assert all(f["properties"]["isLocked"] for f in features)
    assert features[0]["properties"]["measurements"]["positive"] == 9
    text = (folder / "a.1.session.xml").read_text()
    assert text.count('type="rectangle"') == 8, "the fork failed beyond six"
    assert text.index("#ffff00ff") < text.index("#ff0000ff") < text.index("#0000ffff")
    drawing = read_drawing(folder / "a.1.session.xml")
    assert (drawing.size, drawing.mpp, drawing.image) == (SIZE, 0.5, "a.1.png")
    table = rows(folder / "a.1.csv")
    for feature, shape, row in zip(features, drawing.shapes, table, strict=True):
        ring = np.array(feature["geometry"]["coordinates"][0])
        np.testing.assert_allclose(shape.exterior_xy + 0.5, ring[:4])
        assert [ring[:, 0].min(), ring[:, 1].max()] == [float(row["left"]), float(row["bottom"])]
        assert shape.label == feature["properties"]["name"] == row["name"]


def test_exact_hotspots_and_tissue_and_regions(histoseg_: Call, slides: Path) -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[:, 45:] = 255  # cuts the dense square at x = 450
    Image.fromarray(mask).save(slides / "mask.png")
    ring = [[500, 0], [800, 0], [800, 600], [500, 600], [500, 0]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": {"name": "Tumour", "color": [1, 2, 3]}},
    }
    (slides / "r.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [feature]})
    )
    settings = ["tissue=mask.png", "regions=r.geojson", "hotspots.exact=true", "hotspots.number=1"]
    one = ["input=nuclei/a.1.csv", "image=images/a.1.png", "mpp=0.5", "bin=20um"]
    said = histoseg_("analyse", *one, *settings, "hotspots.window=75um", "map=ratio")
    assert said.code == 0, said.err
    slide, region, top = rows(slides / "analysis" / "summary.csv")
    assert slide["area_of"] == "tissue"
    assert float(slide["area_mm2"]) == pytest.approx(350 * 600 * 0.25 / 1e6)
    assert region["name"] == "Tumour"
    assert float(region["area_mm2"]) == pytest.approx(300 * 600 * 0.25 / 1e6)
    inside = [n for n in planted() if n[0] >= 499.5]
    assert int(region["nuclei"]) == len(inside)
    assert int(top["left"]) >= 450, "does not leave the tissue"
    assert int(top["right"]) - int(top["left"]) == 150
    best = [n for n in planted() if 450 <= n[0] < 600 and 200 <= n[1] < 350 and n[2] != "negative"]
    assert int(top["positive"]) >= len(best) - 10
    assert "nuclei lie beyond the tissue" in said.out


def test_a_broken_file_does_not_stop_the_others(histoseg_: Call, slides: Path) -> None:
    (slides / "nuclei" / "b.geojson").write_text('{"type":"FeatureCollection","features":[\n{')
    write(slides / "nuclei" / "c.csv", [])
    said = histoseg_("analyse", "input=nuclei", "mpp=0.5", "bin=20px", "hotspots.window=200px")
    assert "2 of 3 files could not be analysed" in said.complaint
    assert {row["slide"] for row in rows(slides / "analysis" / "summary.csv")} == {"a.1"}
    why = {row["slide"]: row["why"] for row in rows(slides / "analysis" / "skipped.csv")}
    assert "b.geojson" in why["b"]
    assert "no nuclei" in why["c"]
    (slides / "nuclei" / "b.geojson").unlink()
    (slides / "nuclei" / "c.csv").unlink()
    assert histoseg_("analyse", "input=nuclei", "bin=20px").code == 0
    assert not (slides / "analysis" / "skipped.csv").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["positive=[strnog]"], ["'strnog'", "negative, "]),
        (["positive=[strong]", "counted=[weak]"], ["must be among counted"]),
        (["classes=[weak,strong]"], ["'negative'", "weak, strong"]),
        (["bin=20um", "image=null", "mpp=null"], ["bin=20um", "mpp=", "px"]),
        (["bin=20ells"], ["bin=20ells", "25um"]),
        (["map=heat"], ["map=heat", "density, ratio"]),
        (["image=small"], ["lie outside the image of 100 x 100", "another"]),
        (["image=empty"], ["image=empty has no file for a.1"]),
        (["tissue=flat.png", "input=nuclei/a.1.csv"], ["flat.png", "does not fit"]),
        (
            ["tissue=flat.png", "image=null", "input=nuclei/a.1.csv"],
            ["flat.png", "image= or size="],
        ),
        (["input=there"], ["no such file or folder"]),
        (["input=."], ["nuclei", "give one of them"]),
    ],
)
def test_what_is_wrong_is_said(
    histoseg_: Call, slides: Path, settings: list[str], words: list[str]
) -> None:
    for name in ("small", "empty"):
        (slides / name).mkdir()
    Image.fromarray(np.zeros((100, 100, 3), np.uint8)).save(slides / "small" / "a.1.png")
    Image.fromarray(np.full((10, 80), 255, np.uint8)).save(slides / "flat.png")
    given = {"input": "nuclei", "image": "images", "mpp": "0.5"}
    kept = [
        f"{k}={v}" for k, v in given.items() if not any(s.startswith(f"{k}=") for s in settings)
    ]
    if "image=images" in kept and "input=nuclei/a.1.csv" in settings:
        kept.remove("image=images")
        kept.append("image=images/a.1.png")
    complaint = histoseg_("analyse", *kept, *settings).complaint
    for word in words:
        assert word in complaint


def test_files_of_numbers_take_names_and_files_without_classes_are_counted(
    histoseg_: Call, slides: Path
) -> None:
    nuclei = {
        str(i): {"bbox": [[0, 0], [9, 9]], "centroid": [x, y], "contour": [[1, 1]] * 3, "type": k}
        for i, (x, y, k) in enumerate([(50.0, 50.0, 1), (60.0, 50.0, 2), (61.0, 52.0, 2)])
    }
    folder = slides / "json"
    folder.mkdir()
    (folder / "s.json").write_text(json.dumps({"mag": 20, "nuc": nuclei}))
    settings = [
        "size=[600,800]",
        "positive=[ki67]",
        "classes=[other,ki67]",
        "hotspots.window=100um",
    ]
    assert histoseg_("analyse", "input=json", *settings).code == 0
    slide, *_ = rows(slides / "analysis" / "summary.csv")
    assert (slide["other"], slide["ki67"], slide["counted"]) == ("1", "2", "3")
    assert float(slide["area_mm2"]) == pytest.approx(600 * 800 * 0.25 / 1e6)
    for one in nuclei.values():
        one["type"] = None
    (folder / "s.json").write_text(json.dumps({"mag": None, "nuc": nuclei}))
    said = histoseg_("analyse", "input=json", "size=[600,800]", "hotspots.window=100px")
    assert said.code == 0, said.err
    slide, *_ = rows(slides / "analysis" / "summary.csv")
    assert (slide["nuclei"], slide["area_mm2"], slide["index"]) == ("3", "", "")
