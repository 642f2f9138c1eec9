"""``histoseg score_ihc``."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepliif_sample import GOLDEN
from fakes.seg import marker_picture, seg_picture
from histoseg.annotations import read_cell_records, read_drawing
from histoseg.contracts import Array
from histoseg.slides.image import read_image
from histoseg.writers import check_geojson

from .conftest import Call

SIZE = (240, 264)
TISSUE = 200
COUNTS = ("num_total", "num_pos", "num_neg")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def counts(path: Path) -> tuple[int, ...]:
    return tuple(json.loads(path.read_text())[name] for name in COUNTS)


def write(path: Path, picture: Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    """Three images as the original leaves them, each in other names."""
    folder = tmp_path / "seg"
    names = {
        "a.1": ("a.1_Seg.png", "a.1_mod4-Marker.png", "a.1.jpg"),
        "b": ("b_Seg.tif", "b_Marker.png", "b.png"),
        "c d": ("c d_fake_B_5.png", "c d_fake_B_4.png", "c d_real_A.png"),
    }
    for number, (seg, marker, original) in enumerate(names.values()):
        picture = seg_picture(SIZE, 10 + number, 30, number, specks=20)
        write(folder / seg, picture)
        write(folder / marker, marker_picture(picture))
        write(folder / original, np.full((*SIZE, 3), TISSUE, np.uint8))
    return folder


def test_pictures_as_our_predictions_are_called_are_found(histoseg_: Call, tmp_path: Path) -> None:
    picture = seg_picture(SIZE, 10, 30, 0, specks=20)
    write(tmp_path / "out" / "stains" / "a_seg.png", picture)
    write(tmp_path / "out" / "stains" / "a_marker.png", marker_picture(picture))
    said = histoseg_("score_ihc", "input=out/stains", "cells.marker_thresh=default")
    assert said.code == 0, said.err
    assert json.loads((tmp_path / "ihc_scores" / "a.json").read_text())["num_total"] == 40


def test_counts_and_all_files(histoseg_: Call, slides: Path, tmp_path: Path) -> None:
    said = histoseg_("score_ihc", "input=seg")
    assert said.code == 0, said.err
    out = tmp_path / "ihc_scores"
    found = rows(out / "summary.csv")
    assert [row["name"] for row in found] == ["a.1", "b", "c d"]
    for number, row in enumerate(found):
        name = row["name"]
        assert tuple(int(row[k]) for k in COUNTS) == (40 + number, 10 + number, 30)
        assert counts(out / f"{name}.json") == (40 + number, 10 + number, 30)
        assert float(row["percent_pos_low"]) < float(row["percent_pos"])
        assert float(row["percent_pos"]) < float(row["percent_pos_high"])
        refined = read_image(out / f"{name}_SegRefined.png")
        over = read_image(out / f"{name}_SegOverlaid.png")
        assert refined.shape == over.shape == (*SIZE, 3)
        drawn = over != TISSUE
        assert (refined[drawn.any(axis=2)][:, 1] == 255).all(), "the overlay has outlines only"
        assert check_geojson(out / "geojson" / f"{name}.geojson") == []
        assert len(read_drawing(out / "geojson" / f"{name}.geojson").shapes) == 40 + number
        table = rows(out / "table" / f"{name}.csv")
        assert [r["class"] for r in table].count("positive") == 10 + number
        records = read_cell_records(out / "cells" / f"{name}.json")
        assert len(records.nuclei) == 60 + number, "specks too: other thresholds may count them"
        assert records.version == 4
    for name in ("a.1", "b", "c d"):
        assert f"{name} " in said.out + said.err
    assert not (out / "skipped.csv").exists()


def test_thresholds_of_the_command_line(histoseg_: Call, slides: Path, tmp_path: Path) -> None:
    blue = read_image(slides / "b_Seg.tif")[..., [2, 1, 0]]
    write(slides / "b_Seg.tif", blue)  # 30 positive now; the marker says 11 more
    said = histoseg_(
        "score_ihc", "input=seg/b_Seg.tif", "cells.marker_thresh=default", "cells.size_thresh=0",
        "records=3", "mpp=0.25",
    )  # fmt: skip
    assert said.code == 0, said.err
    out = tmp_path / "ihc_scores"
    content = json.loads((out / "b.json").read_text())
    assert content["size_thresh"] == 0
    assert content["marker_thresh"] == round(0.9 * 230) + 10
    assert content["num_pos"] == 30 + 11 + 20
    settings = read_cell_records(out / "cells" / "b.json").settings
    assert settings["default_marker_thresh"] == content["marker_thresh"]
    assert settings["default_size_thresh"] > 5
    assert rows(out / "table" / "b.csv")[0]["area_um2"]


def test_records_are_counted_again_without_pictures(
    histoseg_: Call, slides: Path, tmp_path: Path
) -> None:
    assert histoseg_("score_ihc", "input=seg").code == 0
    asked = ("cells.marker_thresh=default", "cells.size_thresh_upper=140")
    assert histoseg_("score_ihc", "input=seg", "output=direct", *asked).code == 0
    said = histoseg_("score_ihc", "input=ihc_scores/cells", "output=again", "records=3", *asked)
    assert said.code == 0, said.err
    for name in ("a.1", "b", "c d"):
        direct, again = (tmp_path / o / f"{name}.json" for o in ("direct", "again"))
        assert again.read_text() == direct.read_text()
        assert json.loads(again.read_text())["num_total"] < 40
        assert not (tmp_path / "again" / f"{name}_SegRefined.png").exists()
        one, other = (rows(tmp_path / o / "table" / f"{name}.csv") for o in ("direct", "again"))
        assert [r["area_px"] for r in one] == [r["area_px"] for r in other]
        records = read_cell_records(tmp_path / "again" / "cells" / f"{name}.json")
        assert records.version == 3
    assert histoseg_(
        "score_ihc", "input=again/cells/b.json", "output=drawn", "original=seg/b.png", *asked
    ).code == 0  # fmt: skip
    pictures = [read_image(tmp_path / o / "b_SegRefined.png") for o in ("direct", "drawn")]
    np.testing.assert_array_equal(*pictures)


def test_a_second_run_takes_none_of_its_own_files(histoseg_: Call, slides: Path) -> None:
    assert histoseg_("score_ihc", "input=seg", "output=seg").code == 0
    first = rows(slides / "summary.csv")
    files = sorted(slides.rglob("*"))
    cells = (slides / "cells" / "b.json").read_bytes()
    assert histoseg_("score_ihc", "input=seg", "output=seg").code == 0
    assert rows(slides / "summary.csv") == first
    assert sorted(slides.rglob("*")) == files
    assert histoseg_("score_ihc", "input=seg/cells", "output=seg", "records=3").code == 0
    assert (slides / "cells" / "b.json").read_bytes() == cells, "what is read is not replaced"
    complaint = histoseg_("score_ihc", "input=seg/cells/b.json", "output=seg/cells").complaint
    assert "would overwrite" in complaint
    said = histoseg_("score_ihc", 'input="seg/*.png"', "output=seg")
    assert said.code == 0, said.err
    assert [row["name"] for row in rows(slides / "summary.csv")] == ["a.1", "c d"]


def test_a_pattern_takes_other_names(histoseg_: Call, slides: Path, tmp_path: Path) -> None:
    for name in ("x", "y"):
        write(tmp_path / "plain" / f"{name}.png", seg_picture((96, 96), 4, 5))
        write(tmp_path / "plain" / f"{name}_SegRefined.png", seg_picture((96, 96), 1, 0))
    said = histoseg_(
        "score_ihc", 'input="plain/*.png"', "~writers.geojson", "~writers.table", "records=null"
    )
    assert said.code == 0, said.err
    out = tmp_path / "ihc_scores"
    assert [row["name"] for row in rows(out / "summary.csv")] == ["x", "y"]
    assert counts(out / "x.json") == (9, 4, 5)
    assert not (out / "cells").exists()
    assert not (out / "geojson").exists()
    assert not (out / "x_SegOverlaid.png").exists(), "there is no original to draw on"


def test_pictures_elsewhere_are_found_by_stem(
    histoseg_: Call, slides: Path, tmp_path: Path
) -> None:
    for name in ("a.1", "b", "c d"):
        write(tmp_path / "ihc" / f"{name}.png", np.full((*SIZE, 3), 99, np.uint8))
    assert histoseg_("score_ihc", "input=seg", "original=ihc").code == 0
    over = read_image(tmp_path / "ihc_scores" / "b_SegOverlaid.png")
    assert (over == 99).any()
    (tmp_path / "ihc" / "b.png").unlink()
    complaint = histoseg_("score_ihc", "input=seg", "original=ihc").complaint
    assert "no picture for b" in complaint
    assert "give a folder" in histoseg_("score_ihc", "input=seg", "marker=ihc/a.1.png").complaint


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("tissue", "it is no Seg picture"),
        ("grey", "100.0 % of its pixels"),
        ("marker", "different images"),
        ("cut", "cut short"),
        ("nothing", "needs the marker picture"),
    ],
)
def test_a_bad_image_does_not_stop_the_others(
    change: str, why: str, histoseg_: Call, slides: Path, tmp_path: Path
) -> None:
    asked = []
    if change == "tissue":
        write(slides / "b_Seg.tif", np.full((*SIZE, 3), (190, 150, 180), np.uint8))
    elif change == "grey":
        write(slides / "b_Seg.tif", marker_picture(read_image(slides / "b_Seg.tif")))
    elif change == "marker":
        write(slides / "b_Marker.png", np.zeros((9, 9, 3), np.uint8))
    elif change == "cut":
        (slides / "b.png").write_bytes((slides / "b.png").read_bytes()[:60])
    else:
        (slides / "b_Marker.png").unlink()
        asked = ["cells.marker_thresh=99"]
    complaint = histoseg_("score_ihc", "input=seg", *asked).complaint
    assert "1 of 3 files could not be scored" in complaint
    out = tmp_path / "ihc_scores"
    assert [row["name"] for row in rows(out / "summary.csv")] == ["a.1", "c d"]
    assert [row["image"] for row in rows(out / "skipped.csv")] == ["b"]
    assert why in rows(out / "skipped.csv")[0]["why"]
    assert why in histoseg_("score_ihc", "input=seg", "on_error=raise", *asked).complaint


def test_a_black_picture_has_no_cells(histoseg_: Call, tmp_path: Path) -> None:
    write(tmp_path / "n_Seg.png", np.zeros((*SIZE, 3), np.uint8))
    said = histoseg_("score_ihc", "input=n_Seg.png")
    assert said.code == 0, said.err
    assert counts(tmp_path / "ihc_scores" / "n.json") == (0, 0, 0)
    assert rows(tmp_path / "ihc_scores" / "summary.csv")[0]["percent_pos_low"] == ""
    said = histoseg_("score_ihc", "input=ihc_scores/cells", "output=again", "original=n_Seg.png")
    assert said.code == 0, said.err
    assert not read_image(tmp_path / "again" / "n_SegRefined.png").any()


def test_optical_density_needs_the_original(histoseg_: Call, slides: Path, tmp_path: Path) -> None:
    asked = ("cells.od_thresh_lower=50", "records=6")
    assert histoseg_("score_ihc", "input=seg", *asked).code == 0
    out = tmp_path / "ihc_scores"
    assert counts(out / "b.json") == (41, 0, 41), "the original is nearly white"
    assert "default_marker_thresh" not in read_cell_records(out / "cells" / "b.json").settings
    assert histoseg_("score_ihc", "input=ihc_scores/cells", "output=again", *asked).code == 0
    assert counts(tmp_path / "again" / "b.json") == (41, 0, 41)
    complaint = histoseg_(
        "score_ihc", "input=ihc_scores/cells/b.json", "output=no", "cells.marker_thresh=3"
    ).complaint
    assert "have no marker" in complaint
    (slides / "b.png").unlink()
    assert "brightfield" in histoseg_("score_ihc", "input=seg/b_Seg.tif", *asked).complaint


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (("input=nowhere",), "nothing there is called"),
        (("input=seg", "records=7"), "expected 3, 4, 5, 6 or null"),
        (("input=seg", "on_error=stop"), "skip, raise"),
        (("input=seg", "confidence=95"), "expected shares"),
        (("input=seg", "mpp=0"), "micrometres per pixel"),
        (("input=seg", "marker=nowhere"), "no such file or folder"),
        (("input=seg", "cells.resolution=5x"), "40x, 20x, 10x"),
    ],
)
def test_settings_that_mean_nothing(
    asked: tuple[str, ...], why: str, histoseg_: Call, slides: Path
) -> None:
    assert why in histoseg_("score_ihc", *asked).complaint


def test_two_files_of_one_stem_are_refused(histoseg_: Call, slides: Path) -> None:
    write(slides / "b_fake_B_5.png", seg_picture(SIZE, 1, 1))
    assert "several files are of b" in histoseg_("score_ihc", "input=seg").complaint


def test_cells_beyond_the_picture_are_refused(histoseg_: Call, slides: Path) -> None:
    assert histoseg_("score_ihc", "input=seg").code == 0
    write(slides / "small.png", np.zeros((50, 50, 3), np.uint8))
    complaint = histoseg_(
        "score_ihc", "input=ihc_scores/cells/b.json", "output=o", "original=seg/small.png"
    ).complaint
    assert "another image" in complaint


def test_pictures_of_the_original(histoseg_: Call, shared_data: Path, tmp_path: Path) -> None:
    sample = shared_data / "deepliif_sample"
    said = histoseg_(
        "score_ihc",
        f"input={sample / 'test_DeepLIIF_results'}",
        f"original={sample / 'test_cli'}",
    )
    assert said.code == 0, said.err
    for golden in GOLDEN:
        if golden.name == "Bladder1" or golden.seg_thresh != 120:
            continue
        out = tmp_path / "ihc_scores"
        assert counts(out / f"{golden.name}.json")[1:] == golden.counts
        for kind, expected in (("Overlaid", golden.overlay), ("Refined", golden.refined)):
            picture = read_image(out / f"{golden.name}_Seg{kind}.png")
            assert hashlib.md5(picture.tobytes()).hexdigest()[:12] == expected
