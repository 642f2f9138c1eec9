"""Single pictures become strips: ``histoseg prepare data=deepliif_strips source=<folder>``."""

import csv
import hashlib
import json
from itertools import pairwise
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image

from cli.conftest import Said, call
from fakes import deepliif_strips as fake
from histoseg.data import DeepLIIFStrips
from histoseg.data.tissue.modalities import NAMES
from histoseg.ops.backgrounds import Backgrounds
from histoseg.prepare import strip_files
from histoseg.prepare.stain_sets import starts

NO_TEST = ("~prepare.fractions.test", "prepare.fractions.val=0.3")


def prepare(cwd: Path, *args: object) -> Said:
    given = ("data=deepliif_strips", "source=single", "output=out", "prepare.sets.size=64")
    return call("prepare", *given, *args, cwd=cwd)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def strips(root: Path) -> dict[str, Path]:
    return {path.stem: path for path in root.glob("*/*.png")}


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.fixture
def single(tmp_path: Path) -> Path:
    return fake.write_singles(tmp_path / "single")


def test_six_files_become_their_concatenation(single: Path, tmp_path: Path) -> None:
    said = prepare(tmp_path)
    assert said.code == 0, said.err
    found = strips(tmp_path / "out")
    assert sorted(found) == [f"s{number}_IHC" for number in range(4)]
    for number in range(4):
        np.testing.assert_array_equal(pixels(found[f"s{number}_IHC"]), fake.strip(number))
    assert sorted(path.parent.name for path in found.values()) == [
        "test",
        "train",
        "train",
        "val",
    ]
    assert "4 strips (" in said.out
    assert "2 to train" in said.out
    data = DeepLIIFStrips(tmp_path / "out", "train", NAMES, ["seg"])
    assert len(list(data)) == 2


def test_the_manifest_says_where_each_strip_is_from(single: Path, tmp_path: Path) -> None:
    prepare(tmp_path)
    table = {row["strip"]: row for row in rows(tmp_path / "out" / "manifest.csv")}
    row = table["s2_IHC"]
    source = single / "s2_Lap2.png"
    assert row["lap2_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert (tmp_path / row["lap2_file"]).samefile(source)
    assert row["pixels_sha256"] == hashlib.sha256(fake.strip(2).tobytes()).hexdigest()
    assert (row["x"], row["y"], row["side"], row["group"]) == ("0", "0", "64", "s2_IHC")
    assert (tmp_path / "out" / row["split"] / "s2_IHC.png").is_file()


def test_what_is_incomplete_is_reported_and_the_others_go_on(single: Path, tmp_path: Path) -> None:
    (single / "s1_DAPI.png").unlink()
    (single / "s2_IHC.png").unlink()
    said = prepare(tmp_path, *NO_TEST)
    assert said.code == 0, said.err
    assert sorted(strips(tmp_path / "out")) == ["s0_IHC", "s3_IHC"]
    why = {row["item"]: row["why"] for row in rows(tmp_path / "out" / "report.csv")}
    assert why.pop("s1_IHC") == "left out: there is no s1_DAPI"
    assert set(why) == {f"s2_{word}" for word in list(fake.SUFFIXES.values())[1:]}
    assert set(why.values()) == {"left out: no IHC goes with it"}
    assert "6 left out, all in report.csv. The first: s1_IHC.png: left out: there is no" in (
        said.out + said.err
    )


def test_a_broken_picture_does_not_stop_the_others(single: Path, tmp_path: Path) -> None:
    path = single / "s0_Lap2.png"
    path.write_bytes(path.read_bytes()[:200])
    white = np.full((64, 64, 3), 255, np.uint8)
    Image.fromarray(white).save(single / "s1_Seg.png")
    said = prepare(tmp_path)
    assert "2 fields failed" in said.complaint
    assert "damaged or cut short" in said.complaint
    assert "100% of it has other colours than red (positive)" in said.complaint
    assert sorted(strips(tmp_path / "out")) == ["s2_IHC", "s3_IHC"]
    assert len(rows(tmp_path / "out" / "report.csv")) == 2


def test_labels_are_resized_to_the_nearest_pixel_and_pictures_smoothly(
    tmp_path: Path,
) -> None:
    fake.write_singles(tmp_path / "single", size=128)
    prepare(tmp_path)
    record = DeepLIIFStrips(tmp_path / "out", "train", NAMES, ["seg"])[0]
    colours = set(map(tuple, record["stains"]["seg"].reshape(-1, 3).tolist()))
    assert colours <= {(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)}
    number = int(record["place"].slide[1])
    for name in ("ihc", "dapi"):
        area = fake.panels(number, 128)[name].reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
        off = np.abs(area - record["stains"][name]).max()
        assert off <= 0.5, "the mean over the area of a pixel"


def test_tiles_overlap_and_reach_all_four_corners(tmp_path: Path) -> None:
    fake.write_singles(tmp_path / "single", sets=2, size=80)
    said = prepare(tmp_path, "prepare.sets.tile=64", *NO_TEST)
    assert said.code == 0, said.err
    table = rows(tmp_path / "out" / "manifest.csv")
    corners = {(row["strip"], row["y"], row["x"]) for row in table if row["group"] == "s1_IHC"}
    assert corners == {
        ("s1_IHC_1", "0", "0"),
        ("s1_IHC_2", "0", "16"),
        ("s1_IHC_3", "16", "0"),
        ("s1_IHC_4", "16", "16"),
    }
    assert len({row["split"] for row in table if row["group"] == "s1_IHC"}) == 1, "no leak"
    whole = fake.panels(1, 80)
    expected = np.concatenate([whole[name][16:, :64] for name in NAMES], axis=1)
    np.testing.assert_array_equal(pixels(strips(tmp_path / "out")["s1_IHC_3"]), expected)


@pytest.mark.parametrize("length", [512, 513, 640, 1023, 1024, 1025, 2000])
def test_tiles_cover_a_length(length: int) -> None:
    begins = starts(length, 512)
    assert (begins[0], begins[-1]) == (0, length - 512)
    assert all(0 < b - a <= 512 for a, b in pairwise(begins))


def test_an_oblong_picture_is_not_squeezed(single: Path, tmp_path: Path) -> None:
    for path in single.glob("s0_*"):
        Image.fromarray(pixels(path)[:48]).save(path)
    said = prepare(tmp_path)
    assert "48 x 64 pixels (height x width) and would be squeezed" in said.complaint


def test_sixteen_bits_and_other_suffixes(single: Path, tmp_path: Path) -> None:
    (single / "s0_DAPI.png").unlink()
    deep = fake.panels(0)["dapi"][..., 0].astype(np.uint16) * 257
    (single / "s0_DAPI.TIF").write_bytes(imagecodecs.tiff_encode(deep))
    said = prepare(tmp_path)
    assert said.code == 0, said.err
    np.testing.assert_array_equal(pixels(strips(tmp_path / "out")["s0_IHC"]), fake.strip(0))


def test_a_stain_of_sixteen_bits_has_one_scale(single: Path, tmp_path: Path) -> None:
    """A dim field does not become bright because its own values need fewer bits."""
    for number in range(4):
        dapi = fake.panels(number)["dapi"][..., 0].astype(np.uint16)
        Image.fromarray(dapi * (257 if number else 8)).save(single / f"s{number}_DAPI.png")
    said = prepare(tmp_path)
    assert said.code == 0, said.err
    found = strips(tmp_path / "out")
    at = NAMES.index("dapi") * 64
    for number in range(4):
        dapi = fake.panels(number)["dapi"][..., 0].astype(int)
        expected = dapi if number else np.rint(dapi * 8 / 257)
        got = pixels(found[f"s{number}_IHC"])[:, at : at + 64, 0]
        assert np.abs(got - expected).max() <= 1, number


def test_a_gray_ihc_is_left_out_unless_it_is_meant(single: Path, tmp_path: Path) -> None:
    Image.fromarray(fake.panels(0)["ihc"][..., 1]).save(single / "s0_IHC.png")
    complaint = prepare(tmp_path).complaint
    assert "s0_IHC.png is gray, and ihc has to be in colour" in complaint
    assert "data.dataset.brightfield=[]" in complaint
    assert sorted(strips(tmp_path / "out")) == ["s1_IHC", "s2_IHC", "s3_IHC"]
    assert prepare(tmp_path, "data.dataset.brightfield=[]").code == 0
    assert len(strips(tmp_path / "out")) == 4


def test_patients_stay_together(tmp_path: Path) -> None:
    for number in range(6):
        for stain, picture in fake.panels(number).items():
            path = tmp_path / "single" / f"p{number % 3}_{number}_{fake.SUFFIXES[stain]}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(picture).save(path)
    prepare(tmp_path, "prepare.sets.group_pattern='^p[0-9]'")
    table = rows(tmp_path / "out" / "manifest.csv")
    homes = {(row["group"], row["split"]) for row in table}
    assert len(homes) == len({group for group, _ in homes}) == 3
    assert {split for _, split in homes} == {"train", "val", "test"}


def test_a_list_says_the_splits(single: Path, tmp_path: Path) -> None:
    names = [f"s{number}_IHC" for number in range(4)]
    partition = {"val": names[:1], "train": names[1:3], "test": names[3:]}
    (tmp_path / "list.json").write_text(json.dumps({"splits": partition}))
    prepare(tmp_path, "prepare.split_file=list.json")
    found = {path.stem: path.parent.name for path in strips(tmp_path / "out").values()}
    assert found == {name: split for split, some in partition.items() for name in some}


def test_another_seed_leaves_no_strip_in_two_splits(single: Path, tmp_path: Path) -> None:
    seen = set()
    for seed in range(4):
        prepare(tmp_path, f"prepare.seed={seed}")
        found = list((tmp_path / "out").glob("*/*.png"))
        assert len(found) == 4
        seen.add(frozenset(path.relative_to(tmp_path) for path in found))
        again = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}
        prepare(tmp_path, f"prepare.seed={seed}")
        assert again == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}
    assert len(seen) > 1


def test_a_folder_of_others_is_not_touched(single: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "train").mkdir(parents=True)
    (tmp_path / "out" / "train" / "mine.png").touch()
    assert "holds files that `histoseg prepare` did not write" in prepare(tmp_path).complaint
    assert len(list((tmp_path / "out").rglob("*"))) == 2


def test_other_stains_are_found_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "single").mkdir()
    for number in range(2):
        for stain in ("HE", "CD3"):
            picture = fake.panels(number)["ihc" if stain == "HE" else "marker"]
            Image.fromarray(picture).save(tmp_path / "single" / f"{stain}-{number}.png")
    said = prepare(tmp_path, "data.stains=[HE,CD3]", "data.label_stains=[]", *NO_TEST)
    assert said.code == 0, said.err
    assert pixels(strips(tmp_path / "out")["HE-1"]).shape == (64, 128, 3)
    assert json.loads((tmp_path / "out" / "backgrounds.json").read_text()) == {}


def test_nothing_to_do_is_told(single: Path, tmp_path: Path) -> None:
    assert "say source=<folder" in prepare(tmp_path, "source=null").complaint
    assert "there is no folder nowhere" in prepare(tmp_path, "source=nowhere").complaint
    said = prepare(tmp_path, "prepare.sets.words.ihc=PAS")
    assert "no picture in single has 'PAS' in its name" in said.complaint
    for path in single.glob("*_Seg.png"):
        path.unlink()
    assert "no field is complete: s0_IHC.png" in prepare(tmp_path).complaint


def test_backgrounds_are_the_colours_without_cells(single: Path, tmp_path: Path) -> None:
    for number in range(4):
        seg = np.zeros((64, 64, 3), np.uint8)
        seg[40, 40] = 255, 0, 0  # the lower right block has a cell
        Image.fromarray(seg).save(single / f"s{number}_Seg.png")
        ihc = np.full((64, 64, 3), (201, 211, 208), np.uint8)
        ihc[32:, 32:] = 0
        Image.fromarray(ihc).save(single / f"s{number}_IHC.png")
    prepare(tmp_path)
    found = json.loads((tmp_path / "out" / "backgrounds.json").read_text())
    assert list(found) == list(NAMES)
    assert found["ihc"] == [201, 211, 208]
    assert found["seg"] == [0, 0, 0]


def test_a_block_within_a_cell_is_no_background() -> None:
    found = Backgrounds(["seg"])
    found.add({"seg": np.full((32, 32, 3), (0, 0, 255), np.uint8)})
    assert found.colours() == {}


def test_the_official_sample_comes_back_with_its_counts(shared_data: Path, tmp_path: Path) -> None:
    """Counts are those of the original for this picture: specification 6.6."""
    strip = pixels(shared_data / "deepliif_sample" / "train" / "Bladder1.png")
    (tmp_path / "single").mkdir()
    for number in range(2):
        for panel, word in zip(np.split(strip, 6, axis=1), fake.SUFFIXES.values(), strict=True):
            Image.fromarray(panel).save(tmp_path / "single" / f"{word}_{number}.png")
    said = prepare(tmp_path, "prepare.sets.size=512", *NO_TEST)
    assert said.code == 0, said.err
    (val,) = (tmp_path / "out" / "val").glob("*.png")
    np.testing.assert_array_equal(pixels(val), strip)
    counts = json.loads((tmp_path / "out" / "val" / "metrics.json").read_text())[val.stem]
    assert counts == {
        "num_total": 183,
        "num_pos": 15,
        "num_neg": 168,
        "percent_pos": 8.2,
        "seg_thresh": 120,
        "size_thresh": 29,
        "size_thresh_upper": None,
        "marker_thresh": None,
    }
    colours = json.loads((tmp_path / "out" / "backgrounds.json").read_text())
    assert min(colours["ihc"]) > 150, "glass and pale stroma"
    assert max(colours["dapi"] + colours["lap2"] + colours["marker"]) < 50
    assert colours["seg"] == [0, 0, 0]


def test_the_cells_of_what_does_not_train_are_counted(single: Path, tmp_path: Path) -> None:
    prepare(tmp_path, "prepare.cells.size_thresh=0")
    out = tmp_path / "out"
    assert not (out / "train" / "metrics.json").exists()
    for split in ("val", "test"):
        ((name, counts),) = json.loads((out / split / "metrics.json").read_text()).items()
        seg = fake.panels(int(name[1]))["seg"]
        red, blue = (seg[..., c] > 0 for c in (0, 2))
        pieces = [
            (cv2.connectedComponentsWithStats(m.astype(np.uint8), connectivity=8)[2][1:, 4] > 4)
            for m in (red, blue)
        ]
        assert [counts["num_pos"], counts["num_neg"]] == [int(p.sum()) for p in pieces]
        assert counts["num_total"] > 0


def test_two_label_pictures_are_counted_by_name(single: Path, tmp_path: Path) -> None:
    stains = "data.stains=[ihc,seg,again]"
    prepare(tmp_path, stains, "data.label_stains=[seg,again]", "+prepare.sets.words.again=Seg")
    (counts,) = json.loads((tmp_path / "out" / "val" / "metrics.json").read_text()).values()
    assert counts["seg"] == counts["again"]


def test_a_call_that_was_cut_leaves_nothing_behind(single: Path, tmp_path: Path) -> None:
    """The journal names a file before it is written; a stranger's name in it is not followed."""
    (tmp_path / "out" / "train").mkdir(parents=True)
    (tmp_path / "out" / "train" / "old_IHC.png").touch()
    (tmp_path / "kept.png").touch()
    (tmp_path / "out" / ".strips.txt").write_text("train/old_IHC.png\nval/none.png\n../kept.png\n")
    assert prepare(tmp_path).code == 0
    assert "old_IHC" not in strips(tmp_path / "out")
    assert (tmp_path / "kept.png").is_file()


def test_what_is_there_already_is_not_made_again(
    single: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after a call that was cut: by a full disk here."""
    written, write = list[str](), strip_files.write_png

    def full(path: Path, picture: np.ndarray) -> Path:
        if len(written) == 2 and room == [2]:
            raise OSError(28, "No space left on device", str(path))
        written.append(path.stem)
        return write(path, picture)

    monkeypatch.setattr(strip_files, "write_png", full)
    room = [2]
    assert "No space left on device" in prepare(tmp_path).complaint
    assert len(strips(tmp_path / "out")) == 2
    room.clear()
    assert prepare(tmp_path).code == 0
    assert len(written) == len(set(written)) == 4, "each once"
    whole = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*.*") if p.name[0] != "."}
    found = strips(tmp_path / "out")
    found["s1_IHC"].write_bytes(b"damaged")
    found["s2_IHC"].unlink()
    changed = fake.panels(9)["marker"]
    Image.fromarray(changed).save(single / "s3_Marker.png")
    assert prepare(tmp_path).code == 0
    assert written[4:] == ["s1_IHC", "s2_IHC", "s3_IHC"]
    differ = {p.name for p, content in whole.items() if p.read_bytes() != content}
    assert {"s3_IHC.png", "manifest.csv"} <= differ
    assert not differ & {"s0_IHC.png", "s1_IHC.png", "s2_IHC.png"}
    assert prepare(tmp_path, "prepare.sets.size=32").code == 0
    assert sorted(written[7:]) == sorted(f"s{n}_IHC" for n in range(4)), "other settings"


def test_settings_that_do_not_fit_are_told(single: Path, tmp_path: Path) -> None:
    said = prepare(tmp_path, "data.stains=[ihc,dapi]")
    assert "set data.label_stains=[]" in said.complaint
    assert "size 0 and tile None" in prepare(tmp_path, "prepare.sets.size=0").complaint
