"""``histoseg score``."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from fakes import folder as folder_fake
from fakes import pannuke
from fakes.discs import discs

from .conftest import Call


def write(folder: Path, name: str, labels: np.ndarray, types: dict[int, int] | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"inst_map": labels}
    if types is not None:
        ids = np.unique(labels[labels > 0])
        content["inst_type"] = np.array([[types[int(i)]] for i in ids]).reshape(-1, 1)
    savemat(folder / f"{name}.mat", content)


@pytest.fixture
def sides(tmp_path: Path) -> Path:
    """Four images with nuclei of two classes; predictions miss every third nucleus."""
    types = {i: 1 + i % 2 for i in range(1, 20)}
    for number, name in enumerate(("a", "b.1", "c", "d")):
        picture, labels = discs(number, 64, 72, 8)
        write(tmp_path / "true", name, labels, types)
        write(tmp_path / "pred", name, np.where(labels % 3 == 2, 0, labels), types)
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "images" / f"{name}.png")
    return tmp_path


def scores(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "scores.json").read_text())
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_folders_are_scored_and_everything_is_written(histoseg_: Call, sides: Path) -> None:
    (sides / "t.csv").write_text("id,tissue,group\na,skin,1\nb.1,skin,1\nc,colon,2\nd,colon,3\n")
    settings = ["classes=[round,flat]", "images=images", "table=t.csv", "worst=2"]
    said = histoseg_("score", "pred=pred", "true=true", *settings)
    assert said.code == 0, said.err
    out = sides / "scores"
    assert {p.name for p in out.iterdir()} == {
        "scores.json", "scores.csv", "images.csv", "confusion.csv", "scores.png", "worst",
        "config.yaml", "environment.json",
    }  # fmt: skip
    found = scores(out)
    assert found["settings"]["draw_from"] == 3, "patients, not images"
    assert found["settings"]["drawn"] == "groups of images"
    assert found["by_class"]["round"]["pooled"]["recall"]["value"] < 1
    assert found["by_class"]["round"]["pooled"]["precision"]["value"] == 1
    assert set(found["by_tissue"]) == {"skin", "colon"}
    assert {"image mean", "tissue mean", "class mean", "pooled"} == set(found["overall"])
    assert found["confusion"]["labels"] == ["(no partner)", "(no class)", "round", "flat"]
    assert [row["image"] for row in rows(out / "images.csv")] == ["a", "b.1", "c", "d"]
    assert sorted(p.name[:2] for p in (out / "worst").iterdir()) == ["00", "01"]
    for word in ("4 images", "by class", "round", "by tissue", "colon", "f1_detection"):
        assert word in said.out
    table = [line for line in said.out.splitlines() if line.startswith("  ")]
    pooled = {line.rindex("[") for line in table if line.strip().startswith(("pq", "dq", "sq"))}
    assert len(pooled) == 1, "columns are aligned"
    again = rows(out / "scores.csv")
    assert {row["average"] for row in again} == set(found["overall"])
    value = next(r for r in again if (r["group"], r["name"]) == ("overall", "dice"))["value"]
    assert float(value) == found["overall"]["image mean"]["dice"]["value"]


def test_truths_without_prediction_stop_it_or_count_as_missed(histoseg_: Call, sides: Path) -> None:
    (sides / "pred" / "c.mat").rename(sides / "pred" / "e.mat")
    complaint = histoseg_("score", "pred=pred", "true=true").complaint
    for word in (
        "1 of 4 truths",
        "have no prediction",
        ": c.",
        "without truth: e",
        "missing=empty",
    ):
        assert word in complaint
    assert not (sides / "scores").exists(), "nothing was computed"
    said = histoseg_("score", "pred=pred", "true=true", "missing=empty")
    assert said.code == 0, said.err
    missed = next(r for r in rows(sides / "scores" / "images.csv") if r["image"] == "c")
    assert (missed["pq"], missed["pred_nuclei"]) == ("0.0", "0")
    unpaired = {(r["image"], r["what"]) for r in rows(sides / "scores" / "unpaired.csv")}
    assert unpaired == {("c", "truth without prediction"), ("e", "prediction without truth")}
    assert "scored as missed" in said.out


def test_a_file_that_cannot_be_read_loses_nothing_else(histoseg_: Call, sides: Path) -> None:
    (sides / "pred" / "a.mat").write_bytes(b"MATLAB 5.0 and no more")
    write(sides / "pred", "d", discs(3, 64, 40, 5)[1], dict.fromkeys(range(1, 9), 1))
    said = histoseg_("score", "pred=pred", "true=true")
    assert "2 images were left out" in said.complaint
    assert [r["image"] for r in rows(sides / "scores" / "images.csv")] == ["b.1", "c"]
    skipped = {r["image"]: r["why"] for r in rows(sides / "scores" / "skipped.csv")}
    assert "a.mat" in skipped["a"]
    assert "(64, 40)" in skipped["d"]
    assert "(64, 72)" in skipped["d"]
    assert scores(sides / "scores")["settings"]["skipped"] == 2
    assert "NO score" in said.out
    assert "a.mat" in histoseg_("score", "pred=pred", "true=true", "on_error=raise").complaint
    for path in (sides / "pred").iterdir():
        path.write_bytes(b"")
    assert "none of the 4 images" in histoseg_("score", "pred=pred", "true=true").complaint


def test_a_model_compared_with_itself_does_not_differ(histoseg_: Call, sides: Path) -> None:
    (sides / "models").mkdir()
    for name in ("one", "two"):
        (sides / "models" / name).symlink_to(sides / "pred")
    said = histoseg_("score", "pred=[models/one,models/two]", "true=true", "bootstrap=100")
    assert said.code == 0, said.err
    assert "two minus one; n = 4 pairs" in said.out
    out = sides / "scores"
    assert {p.name for p in out.iterdir()} >= {"one", "two", "comparison.csv", "comparison.png"}
    compared = json.loads((out / "comparison.json").read_text())
    assert (compared["first"], compared["second"]) == ("one", "two")
    known = [row for row in compared["scores"] if row["first"] is not None]
    assert all(row["difference"] == 0 and row["p_permutation"] == 1 for row in known)
    assert (out / "two" / "scores.png").is_file()


def test_classes_are_named_merged_or_left_out(histoseg_: Call, sides: Path) -> None:
    call = ["score", "pred=pred", "true=true", "bootstrap=0"]
    assert histoseg_(*call).code == 0
    assert set(scores(sides / "scores")["by_class"]) == {"1", "2"}, "numbered as found"
    assert scores(sides / "scores")["overall"]["pooled"]["f1_detection"]["low"] is None
    beyond = histoseg_(*call, "classes=[only]").complaint
    assert "a nucleus of class 2, but 1 classes are named" in beyond
    assert "true_class_map" in beyond
    maps = ["true_class_map={2: 1}", "pred_class_map={2: 1}"]
    assert histoseg_(*call, "classes=[only]", *maps).code == 0
    one = scores(sides / "scores")
    assert one["overall"]["pooled"]["type_accuracy"]["value"] == 1
    said = histoseg_(*call, "classes=[]")
    assert said.code == 0
    assert "by_class" not in scores(sides / "scores")
    write(sides / "pred", "a", discs(0, 64, 72, 8)[1])
    said = histoseg_(*call)
    assert said.code == 0, said.err
    assert "knows no classes: scored without" in said.out
    assert "no classes, and ['x', 'y']" in histoseg_(*call, "classes=[x,y]").complaint


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["id;tissue", "a;skin"], "commas"),
        (["id,tissue", "a,skin", "a,colon"], "two rows of a"),
        (["id,mpp", "a,fine"], "mpp is 'fine'"),
    ],
)
def test_a_table_of_images_is_checked(
    lines: list[str], words: str, histoseg_: Call, sides: Path
) -> None:
    (sides / "wrong.csv").write_bytes("\r\n".join([*lines, ""]).encode())
    said = histoseg_("score", "pred=pred", "true=true", "table=wrong.csv")
    assert words in said.complaint


@pytest.mark.parametrize("kind", ["annotation", "detection"])
def test_what_a_person_drew_around_nuclei_is_no_nucleus(
    kind: str, histoseg_: Call, tmp_path: Path
) -> None:
    def square(x: int, y: int, side: int) -> dict[str, Any]:
        ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
        shape = {"type": "Polygon", "coordinates": [ring]}
        return {"type": "Feature", "geometry": shape, "properties": {"objectType": kind}}

    true = np.zeros((40, 40), np.int32)
    for number in range(1, 4):
        true[4:10, 10 * number : 10 * number + 6] = number
    for folder in ("true", "pred"):
        (tmp_path / folder).mkdir()
    np.save(tmp_path / "true" / "a.npy", true)
    shapes = [square(0, 0, 40), *(square(10 * n, 4, 6) for n in range(1, 4))]
    (tmp_path / "pred" / "a.geojson").write_text(json.dumps(shapes))
    said = histoseg_("score", "pred=pred", "true=true", "bootstrap=0", "worst=0")
    assert said.code == 0, said.err
    (row,) = rows(tmp_path / "scores" / "images.csv")
    assert row["pred_nuclei"] == ("3" if kind == "annotation" else "4")
    assert (float(row["dice"]) == 1) == (kind == "annotation")
    assert (tmp_path / "scores" / "dropped.csv").exists() == (kind == "annotation")


def test_empty_truths_and_predictions(histoseg_: Call, tmp_path: Path) -> None:
    empty, full = np.zeros((32, 32), dtype=np.int32), discs(0, 32, 32, 3)[1]
    types = dict.fromkeys(range(1, 9), 1)
    cases = {"both": (empty, empty), "true": (full, empty), "pred": (empty, full)}
    for name, (true, pred) in cases.items():
        write(tmp_path / "true", name, true, types)
        write(tmp_path / "pred", name, pred, types)
    said = histoseg_("score", "pred=pred", "true=true", "bootstrap=50")
    assert said.code == 0, said.err
    found = scores(tmp_path / "scores")["overall"]
    assert (found["image mean"]["pq"]["value"], found["image mean"]["pq"]["n"]) == (0, 2)
    assert (found["image mean"]["mpq"]["value"], found["image mean"]["mpq"]["n"]) == (0, 1)
    assert found["pooled"]["f1_detection"]["value"] == 0
    for path in [*(tmp_path / "true").iterdir(), *(tmp_path / "pred").iterdir()]:
        write(path.parent, path.stem, empty, types)
    said = histoseg_("score", "pred=pred", "true=true")
    assert said.code == 0, said.err
    assert scores(tmp_path / "scores")["overall"]["pooled"]["pq"]["value"] is None


def test_a_data_set_is_its_own_truth(histoseg_: Call, tmp_path: Path) -> None:
    root = folder_fake.write(tmp_path / "own", kind="mat")
    parts = [f"data.dataset.images={root}/images", f"data.dataset.instances={root}/instances"]
    parts += ["data.classes=[tumour,other]", "data.splits.test.split=null"]
    said = histoseg_("score", f"pred={root}/instances", "data=folder", *parts, "worst=1")
    assert said.code == 0, said.err
    found = scores(tmp_path / "scores")
    assert found["overall"]["image mean"]["pq"]["value"] == pytest.approx(1, abs=1e-5)
    assert set(found["by_class"]) == {"tumour", "other"}
    assert len(list((tmp_path / "scores" / "worst").iterdir())) == 1, "its images are at hand"


def test_a_pannuke_fold_is_scored_as_its_own_metric_does(histoseg_: Call, tmp_path: Path) -> None:
    root = pannuke.write(tmp_path / "true", folds=(1,), images=9)
    true = np.load(root / "Fold 1" / "masks" / "fold1" / "masks.npy")
    types = np.load(root / "Fold 1" / "images" / "fold1" / "types.npy")
    pred = np.roll(true, 1, axis=1)
    pred[1, :, :, 2] = pred[1, :, :, 0]  # classes that overlap
    pred[2, :, :, 4] = 0
    np.save(tmp_path / "masks.npy", pred)
    said = histoseg_("score", "pred=masks.npy", f"true={root}/Fold 1/masks/fold1", "bootstrap=20")
    assert said.code == 0, said.err
    found = scores(tmp_path / "scores")
    binary = [plain_pq(merged(t), merged(p)) for t, p in zip(true, pred, strict=True)]
    by_class = [
        [plain_pq(t[..., k], p[..., k]) for k in range(5)] for t, p in zip(true, pred, strict=True)
    ]
    image = [nanmean(row) for row in by_class]
    for k, name in enumerate(("neoplastic", "inflammatory", "connective", "dead", "epithelial")):
        expected = nanmean([row[k] for row in by_class])
        ours = found["by_class"][name]["image mean"]["pq"]["value"]
        assert ours == pytest.approx(expected, abs=1e-12), name
    for name, values in (("bpq", binary), ("mpq", image)):
        tissues = {
            t: nanmean([v for v, u in zip(values, types, strict=True) if u == t])
            for t in set(types)
        }
        ours = found["overall"]["tissue mean"][name]["value"]
        assert ours == pytest.approx(nanmean(list(tissues.values())), abs=1e-12)
        for tissue, expected in tissues.items():
            assert found["by_tissue"][tissue]["image mean"][name]["value"] == pytest.approx(
                expected
            )


def nanmean(values: list[float]) -> float:
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")


def merged(masks: np.ndarray) -> np.ndarray:
    """One map of the class channels, as the benchmark makes it, written plainly."""
    out, number = np.zeros(masks.shape[:2]), 0
    for k in range(5):
        for key in np.unique(masks[..., k]):
            if key:
                number += 1
                out[masks[..., k] == key] = number
    return out


def plain_pq(true: np.ndarray, pred: np.ndarray) -> float:
    """PQ by one mask an object; NaN where nothing is annotated."""
    trues = [true == key for key in np.unique(true) if key]
    preds = [pred == key for key in np.unique(pred) if key]
    if not trues:
        return float("nan")
    iou = [(t & p).sum() / (t | p).sum() for t in trues for p in preds]
    hits = [value for value in iou if value > 0.5]
    dq = len(hits) / ((len(trues) + len(preds)) / 2)
    return dq * sum(hits) / (len(hits) + 1e-6)


def test_the_radius_can_be_given_in_micrometres(histoseg_: Call, tmp_path: Path) -> None:
    true = np.zeros((40, 40), dtype=np.int32)
    true[5:9, 5:9] = 1
    for name, labels in (("true", true), ("pred", np.roll(true, 8, axis=1))):
        write(tmp_path / name, "a", labels)
    call = ["score", "pred=pred", "true=true", "bootstrap=0"]
    for radius, expected in ((["radius=7.9"], 0), (["radius_um=2", "mpp=0.25"], 1)):
        assert histoseg_(*call, *radius).code == 0
        found = scores(tmp_path / "scores")["overall"]["pooled"]["f1_detection"]["value"]
        assert found == expected, radius
    assert "needs the pixel size of a" in histoseg_(*call, "radius_um=2").complaint


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["true=true"], ["pred"]),
        (["pred=pred"], ["say what is true"]),
        (["pred=nowhere", "true=true"], ["no file or folder nowhere"]),
        (["pred=pred", "true=true", "missing=ignore"], ["missing=ignore", "error, empty"]),
        (["pred=pred", "true=true", "radius=-1"], ["radius=-1"]),
        (["pred=pred", "true=true", "confidence=95"], ["confidence=95"]),
        (["pred=[pred,pred]", "true=true"], ["each prediction once"]),
        (["pred=images", "true=true"], ["shape", "cannot"]),
        (["pred=pred", "true=true", "bootstrap=1.5"], ["bootstrap=1.5"]),
        (["pred=pred", "true=true", "classes=[a,a]"], ["name of its own"]),
        (["pred=pred", "true=true", "true_class_map={a: b}"], ["true_class_map", "numbers"]),
        (["pred=pred", "true=true", "pred_class_map={-1: 2}"], ["pred_class_map", "numbers"]),
        (["pred=pred", "true=true", "table=nowhere.csv"], ["nowhere.csv cannot be read"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_answered_in_a_paragraph(
    args: list[str], words: list[str], histoseg_: Call, sides: Path
) -> None:
    complaint = histoseg_("score", *args).complaint
    assert any(word in complaint for word in words), complaint
