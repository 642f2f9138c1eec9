"""``histoseg prepare`` as it is typed, from an archive to a set that is trained on."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from cli.conftest import Said, call
from conftest import CONF
from fakes import consep, dsb2018, kumar, tnbc
from histoseg.data import PreparedNuclei

from .server import serving


def prepare(*args: object, cwd: Path) -> Said:
    """Run the verb in a folder that holds ``data``."""
    return call("prepare", *args, "paths.data=data", cwd=cwd)


def zipped(folder: Path, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.make_archive(str(path.with_suffix("")), "zip", folder))


def archives(*entries: str) -> str:
    return f"prepare.archives=[{','.join(entries)}]"


COUNTS = "prepare.expected.counts={train: 4, test: 2}"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    consep.write(tmp_path / "made" / "CoNSeP")
    return zipped(tmp_path / "made", tmp_path / "elsewhere" / "consep_dataset.zip")


def test_from_the_address_to_the_data_set(archive: Path, tmp_path: Path) -> None:
    with serving(archive.read_bytes()) as server:
        source = archives(f"{{name: consep_dataset.zip, url: '{server.url}'}}")
        said = prepare("data=consep", COUNTS, source, cwd=tmp_path)
        again = prepare("data=consep", COUNTS, source, cwd=tmp_path)
    assert said.code == 0, said.err
    assert again.code == 0, again.err
    assert len(server.asked) == 1
    assert "licence: " in said.out
    train, total = (
        line for line in said.out.splitlines() if line.split()[:1] in (["train"], ["all"])
    )
    assert train.split() == ["train", "4", "28", *["4"] * 7, "0"]
    assert total.split() == ["all", "6", "42", *["6"] * 7, "0"]
    data = PreparedNuclei(tmp_path / "data" / "consep", published="test")
    assert data.ids == ("test_1", "test_2")


def test_an_archive_or_a_folder_put_there_by_hand_needs_no_network(
    archive: Path, tmp_path: Path
) -> None:
    raw = tmp_path / "data" / "raw" / "consep"
    raw.mkdir(parents=True)
    shutil.copy(archive, raw / "any name.zip")
    assert prepare("data=consep", COUNTS, "download=false", cwd=tmp_path).code == 0
    shutil.rmtree(raw / "CoNSeP")  # what was unzipped may go, and comes back
    assert prepare("data=consep", COUNTS, "download=false", cwd=tmp_path).code == 0
    (raw / "any name.zip").unlink()
    assert prepare("data=consep", COUNTS, "download=false", cwd=tmp_path).code == 0
    own = prepare("data=consep", COUNTS, "raw=made", "output=other", cwd=tmp_path)
    assert own.code == 0, own.err
    assert len(PreparedNuclei(tmp_path / "other")) == 6


def test_unzipping_that_was_cut_is_done_again_and_archives_beside_a_set_are_left_alone(
    archive: Path, tmp_path: Path
) -> None:
    raw = tmp_path / "data" / "raw" / "consep"
    consep.write(raw / "CoNSeP", train=2, test=1)
    shutil.copy(archive, raw / "consep_dataset.zip")
    few = "prepare.expected.counts={train: 2, test: 1}"
    assert prepare("data=consep", few, cwd=tmp_path).code == 0
    (raw / ".consep_dataset.zip.unzipping").touch()
    assert prepare("data=consep", COUNTS, cwd=tmp_path).code == 0
    assert not (raw / ".consep_dataset.zip.unzipping").exists()


def test_nothing_readable_says_why(tmp_path: Path) -> None:
    raw = consep.write(tmp_path / "data" / "raw" / "consep" / "CoNSeP")
    for path in raw.glob("*/Labels/*.mat"):
        path.write_text("version https://git-lfs.github.com/spec/v1")
    complaint = prepare("data=consep", cwd=tmp_path).complaint
    assert "none of 6 items" in complaint
    assert "train_1.mat cannot be read as a MAT file" in complaint


def test_without_network_and_files_the_way_by_hand_is_said(tmp_path: Path) -> None:
    complaint = prepare("data=consep", "download=false", cwd=tmp_path).complaint
    assert "there is no folder Train/Images" in complaint
    assert "ask" in complaint.lower()
    complaint = prepare("data=cpm17", cwd=tmp_path).complaint
    assert "Open the page with a browser" in complaint


def test_a_broken_item_and_a_missing_one_do_not_stop_the_others(tmp_path: Path) -> None:
    raw = consep.write(tmp_path / "data" / "raw" / "consep" / "CoNSeP")
    (raw / "Train/Labels/train_2.mat").write_bytes(b"no MAT file")
    (raw / "Train/Images/train_3.png").unlink()
    said = prepare("data=consep", COUNTS, cwd=tmp_path)
    assert "2 images of train, expected 4" in said.complaint
    assert "1 items failed: train_2" in said.complaint
    root = tmp_path / "data" / "consep"
    with (root / "report.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["item"] == "train_2"
    assert "train_2.mat" in row["why"]
    assert len(PreparedNuclei(root, on_error="skip")) == 4
    consep.write(raw)
    said = prepare("data=consep", COUNTS, cwd=tmp_path)
    assert said.code == 0, said.err
    mark = json.loads((root / "dataset.json").read_text())
    assert (mark["failed"], mark["problems"], mark["counts"]["items"]) == ([], [], 6)


def test_kumar_by_its_published_names(tmp_path: Path) -> None:
    members = OmegaConf.load(CONF / "prepare" / "kumar.yaml").members
    names = sorted(name for part in members.values() for name in part)
    kumar.write_xml(tmp_path / "data" / "raw" / "kumar", [*names, "TCGA-ZZ-0000-01Z-00-DX1"])
    said = prepare("data=kumar", cwd=tmp_path)
    assert said.code == 0, said.err
    rows = PreparedNuclei(tmp_path / "data" / "kumar").rows.values()
    assert [sum(r["split"] == p for r in rows) for p in ("train", "test_same", "test_diff")] == [
        *(16, 8, 6)
    ]
    organs = [row["tissue"] for row in rows]
    assert {organ: organs.count(organ) for organ in organs} == {
        **dict.fromkeys(("breast", "kidney", "liver", "prostate"), 6),
        **dict.fromkeys(("bladder", "colon", "stomach"), 2),
    }


def test_patients_do_not_straddle_splits(tmp_path: Path) -> None:
    tnbc.write(tmp_path / "data" / "raw" / "tnbc")
    assert prepare("data=tnbc", "prepare.archives=[]", cwd=tmp_path).code == 0
    fractions = {"train": 0.5, "test": 0.5}
    parts = [
        PreparedNuclei(tmp_path / "data" / "tnbc", split=split, fractions=fractions).ids
        for split in fractions
    ]
    patients = [{name[:2] for name in part} for part in parts]
    assert [len(part) for part in parts] == [4, 4]
    assert not patients[0] & patients[1]


def test_dsb2018_is_fetched_and_read_in_place(tmp_path: Path) -> None:
    dsb2018.write(tmp_path / "made")
    archive = zipped(tmp_path / "made", tmp_path / "stage1_train.zip")
    entry = "{name: stage1_train.zip, url: '%s', into: stage1_train}"
    with serving(archive.read_bytes()) as server:
        said = prepare("data=dsb2018", archives(entry % server.url), cwd=tmp_path)
    assert said.code == 0, said.err
    assert said.out.splitlines()[-2].split() == ["-", "4", "26", "0"]
    root = tmp_path / "data" / "dsb2018" / "stage1_train"
    assert not (root / "dataset.json").exists()
    next(iter(root.glob("*/masks/*.png"))).write_bytes(b"cut")
    assert "1 items failed" in prepare("data=dsb2018", cwd=tmp_path).complaint


def test_what_to_prepare_is_asked_for(tmp_path: Path) -> None:
    said = call("prepare", cwd=tmp_path)
    assert said.code == 1
    assert "data=<name of a public set>" in said.err
    complaint = prepare("data=synthetic", cwd=tmp_path).complaint
    assert "prepare/synthetic" in complaint
    assert "consep" in complaint, "what there is to prepare"


def test_a_folder_of_the_user_is_never_written_into(tmp_path: Path) -> None:
    raw = consep.write(tmp_path / "data" / "raw" / "consep" / "CoNSeP")
    complaint = prepare("data=consep", f"output={raw}", cwd=tmp_path).complaint
    assert "did not write" in complaint
