"""``histoseg synthesise``: strips of recoloured cells."""

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fakes import deepliif_strips as fake
from histoseg.contracts import Array
from histoseg.data.tissue.modalities import NAMES
from histoseg.engine import checkpoint
from histoseg.postprocess import DeepLIIFCells
from histoseg.postprocess.deepliif_pixels import NEGATIVE, POSITIVE
from histoseg.slides import read_image

from .conftest import Call, Said, Trained

SMALL = ("cells.size_thresh=0",)  # nuclei of the fakes are
KEPT = ("hematoxylin", "dapi", "lap2")


@pytest.fixture
def strips(tmp_path: Path) -> Path:
    return fake.write(tmp_path / "strips")


@pytest.fixture
def made(histoseg_: Call, trained: Trained, strips: Path) -> Callable[..., Said]:
    """The command on the fake strips."""
    ckpt = trained()
    return lambda *args: histoseg_(
        "synthesise", f"ckpt={ckpt}", "input=strips", "output=out", *SMALL, *args
    )


def panels(path: Path) -> dict[str, Array]:
    return dict(zip(NAMES, np.split(read_image(path), len(NAMES), axis=1), strict=True))


def numbers(seg: Array) -> tuple[int, int]:
    maps = {"seg": np.moveaxis(seg, -1, 0).astype(np.float32) / 255}
    kinds = DeepLIIFCells(size_thresh=0)(maps).semantic.tolist()
    return kinds.count(POSITIVE), kinds.count(NEGATIVE)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def bytes_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("environment.json", "config.yaml")
    }


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.png"))


PARENTS = ("train/a", "train/hospital__b", "val/c")
ALL = sorted(
    ["test/d.png", *(f"{p}{end}.png" for p in PARENTS for end in ("", "_n2p50", "_n2p70"))]
)


def test_strips_panels_counts_and_tables(made: Callable[..., Said], tmp_path: Path) -> None:
    said = made()
    assert said.code == 0, said.err
    assert "6 synthetic strips, 6 made now" in said.out + said.err
    out = tmp_path / "out"
    assert files(out) == ALL
    table = {row["strip"]: row for row in rows(out / "provenance.csv")}
    assert len(table) == len(ALL)
    for name, source in (("a", "train/a"), ("hospital__b", "train/hospital/b"), ("c", "val/c")):
        split = source.split("/")[0]
        real = panels(tmp_path / "strips" / f"{source}.png")
        positive, negative = numbers(real["seg"])
        assert negative > 3
        for percentage in (50, 70):
            new, row = (
                panels(out / split / f"{name}_n2p{percentage}.png"),
                table[f"{name}_n2p{percentage}"],
            )
            chosen = round(percentage * negative / 100)
            assert numbers(new["seg"]) == (positive + chosen, negative - chosen)
            assert (row["split"], row["parent"], row["percentage"]) == (
                split,
                name,
                str(percentage),
            )
            assert len(row["cells"].split()) == int(row["chosen"]) == chosen
            counted = tuple(
                int(row[k]) for k in ("num_pos_before", "num_neg_before", "num_pos", "num_neg")
            )
            assert counted == (positive, negative, positive + chosen, negative - chosen)
            for stain in KEPT:
                np.testing.assert_array_equal(new[stain], real[stain])
            for stain in ("ihc", "marker"):
                assert (new[stain] != real[stain]).mean() > 0.5, "made anew"
        np.testing.assert_array_equal(panels(out / split / f"{name}.png")["ihc"], real["ihc"])
    assert {len(row["generator_sha256"]) for row in table.values()} == {0, 64}
    metrics = json.loads((out / "val" / "metrics.json").read_text())
    assert list(metrics) == ["c", "c_n2p50", "c_n2p70"]
    assert metrics["c_n2p70"]["num_pos"] == int(table["c_n2p70"]["num_pos"])
    assert list(json.loads((out / "test" / "metrics.json").read_text())) == ["d"]
    assert rows(out / "report.csv") == []
    assert read_image(out / "sheet.png").shape[1] > 9 * 64


def test_pictures_are_what_the_generator_says(made: Callable[..., Said], tmp_path: Path) -> None:
    assert made("batch_size=4").code == 0
    path = tmp_path / "ihc_generator.ckpt"
    cfg = checkpoint.stored_config(path)
    module = checkpoint.build(cfg).eval()
    checkpoint.load_weights(module, path)
    new = panels(tmp_path / "out" / "train" / "a_n2p50.png")
    seen = np.concatenate([new[stain] for stain in ("hematoxylin", "dapi", "seg")], axis=2)
    maps = module.infer(torch.from_numpy(seen).permute(2, 0, 1)[None].float() / 255)
    for stain in ("ihc", "marker"):
        expected = (maps[stain][0] * 255).permute(1, 2, 0).numpy().astype(np.int16)
        assert abs(expected - new[stain]).max() <= 1, "another size of batch may round otherwise"


@pytest.mark.parametrize("batch", [1, 5])
def test_a_second_call_makes_what_is_missing_and_the_same_bytes(
    batch: int, made: Callable[..., Said], tmp_path: Path
) -> None:
    args = (f"batch_size={batch}",)
    assert made(*args).code == 0
    out = tmp_path / "out"
    first = bytes_of(out)
    said = made(*args)
    assert "6 synthetic strips, 0 made now" in said.out + said.err
    assert bytes_of(out) == first
    (out / "train" / "a_n2p70.png").unlink()
    (out / "val" / "c_n2p50.png").write_bytes(b"cut")
    said = made(*args)
    assert "6 synthetic strips, 2 made now" in said.out + said.err
    assert bytes_of(out) == first


def test_other_options_leave_nothing_of_before(made: Callable[..., Said], tmp_path: Path) -> None:
    assert made().code == 0
    out = tmp_path / "out"
    first = bytes_of(out)
    said = made("neg_to_pos=[70]", "splits=[val]", "keep_original=false")
    assert said.code == 0, said.err
    assert "0 made now" in said.out + said.err
    assert files(out) == ["val/c_n2p70.png"]
    assert [row["strip"] for row in rows(out / "provenance.csv")] == ["c_n2p70"]
    assert made().code == 0
    assert bytes_of(out) == first
    said = made("seed=1")
    assert "6 made now" in said.out + said.err
    assert bytes_of(out)["train/a_n2p50.png"] != first["train/a_n2p50.png"]
    assert bytes_of(out)["train/a.png"] == first["train/a.png"]


def test_another_generator_makes_all_anew(
    made: Callable[..., Said], trained: Trained, tmp_path: Path
) -> None:
    assert made().code == 0
    torch.manual_seed(9)
    trained()
    said = made()
    assert "6 made now" in said.out + said.err


def test_output_never_becomes_input(
    made: Callable[..., Said], histoseg_: Call, tmp_path: Path
) -> None:
    assert made().code == 0
    for output in ("strips", "strips/more", "."):
        complaint = made(f"output={output}").complaint
        assert "lie in each other" in complaint
    again = histoseg_(
        "synthesise", f"ckpt={tmp_path / 'ihc_generator.ckpt'}", "input=out", "output=more", *SMALL
    )
    assert again.code == 0, again.err
    assert files(tmp_path / "more") == ALL, "made strips are no parents"
    same = [bytes_of(tmp_path / folder) for folder in ("out", "more")]
    assert {name: same[0][name] for name in ALL} == {name: same[1][name] for name in ALL}


def test_strips_of_several_sizes_and_a_margin(
    made: Callable[..., Said], strips: Path, tmp_path: Path
) -> None:
    for number, size in ((7, 40), (8, 150), (9, 64)):
        Image.fromarray(fake.strip(number, size)).save(strips / "train" / f"s{size}.png")
    assert made("neg_to_pos=[100]", "batch_size=3").code == 0
    for size in (40, 150, 64):
        new = panels(tmp_path / "out" / "train" / f"s{size}_n2p100.png")
        assert new["ihc"].shape == (size, size, 3)
        assert numbers(new["seg"])[1] == 0


def test_data_of_the_checkpoint_need_no_files(
    histoseg_: Call, trained: Trained, tmp_path: Path
) -> None:
    ckpt = trained(data="synthetic_stains")
    args = (
        "synthesise", f"ckpt={ckpt}", "output=out", "neg_to_pos=[30]", "clustered=true",
        *(f"data.splits.{split}.length=2" for split in ("train", "val", "test")),
    )  # fmt: skip
    said = histoseg_(*args)
    assert said.code == 0, said.err
    assert len(files(tmp_path / "out")) == 2 + 2 + 2 + 4
    assert {row["clustered"] for row in rows(tmp_path / "out" / "provenance.csv")} == {"True", ""}


def test_a_strip_without_cells_is_left_out(
    made: Callable[..., Said], strips: Path, tmp_path: Path
) -> None:
    empty = fake.strip(0)
    empty[:, 5 * 64 :] = 0
    Image.fromarray(empty).save(strips / "train" / "empty.png")
    said = made()
    assert said.code == 0, said.err
    assert "1 left out" in said.out + said.err
    out = tmp_path / "out"
    assert [row["strip"] for row in rows(out / "report.csv")] == ["train/empty"]
    assert files(out) == sorted([*ALL, "train/empty.png"])
    shutil.rmtree(strips)
    (strips / "train").mkdir(parents=True)
    Image.fromarray(empty).save(strips / "train" / "empty.png")
    assert "no strip of train has negative cells" in made("splits=[train]").complaint


def test_a_bad_strip_does_not_stop_the_others(
    made: Callable[..., Said], strips: Path, tmp_path: Path
) -> None:
    (strips / "train" / "cut.png").write_bytes((strips / "train" / "a.png").read_bytes()[:200])
    Image.fromarray(fake.strip(0)[:, : 5 * 64]).save(strips / "train" / "five.png")
    complaint = made().complaint
    assert "2 strips cannot be read" in complaint
    assert "5 square panels" in complaint
    assert files(tmp_path / "out") == ALL
    assert [row["strip"] for row in rows(tmp_path / "out" / "report.csv")] == [
        "train/cut",
        "train/five",
    ]


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("neg_to_pos=[50,101]",), "whole per cents from 0 to 100"),
        (("neg_to_pos=[-1]",), "whole per cents from 0 to 100"),
        (("neg_to_pos=[12.5]",), "whole per cents from 0 to 100"),
        (("neg_to_pos=[]",), "whole per cents from 0 to 100"),
        (("splits=[train,dev]",), "there are train, val, test"),
        (("splits=[]",), "name some"),
        (("input=nowhere",), "expected a folder with strips"),
        (("input=null", "data.dataset.root=nowhere"), "holds no strip"),
        (("data.stains=[ihc,dapi,lap2,marker,seg]",), "no panel hematoxylin"),
        (("data.stains=[hematoxylin,dapi,lap2,seg]",), "no panel ihc, marker"),
        (("data.label_stains=[]",), "one that sees one label picture"),
        (("cells.marker_thresh=9",), "only Seg pictures are painted"),
        (("batch_size=0",), "expected 1 or more"),
        (("precision=8",), "expected one of"),
        (("accelerator=tpu",), "accelerator=tpu: expected"),
        (("data=pannuke", "paths.data=."), "no stains"),
    ],
)
def test_what_cannot_be_is_said(
    args: tuple[str, ...], why: str, made: Callable[..., Said], tmp_path: Path
) -> None:
    assert why in made(*args).complaint
    assert not list(tmp_path.glob("out/*/*.png")), "before anything is written"


def test_a_folder_with_other_files_is_refused(made: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    assert "did not write" in made().complaint


@pytest.mark.parametrize(
    ("model", "data", "why"),
    [
        ("deepliif", "deepliif_strips", "DeepLIIF that translates ihc to hematoxylin, dapi"),
        ("hovernet", "pannuke", "HoVerNet, which translates nothing"),
    ],
)
def test_other_models_are_refused(
    model: str, data: str, why: str, histoseg_: Call, trained: Trained, strips: Path
) -> None:
    ckpt = trained(model, data=data)
    args = () if data == "deepliif_strips" else ("data=deepliif_strips",)
    said = histoseg_("synthesise", f"ckpt={ckpt}", "input=strips", "output=out", *args)
    assert why in said.complaint
    assert "model=ihc_generator" in said.complaint
