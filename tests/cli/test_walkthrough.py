"""docs/own_data.md, typed line by line on small files: QuPath export in, model, GeoJSON out."""

import csv
import re
import shlex
from pathlib import Path

import orjson

from conftest import ROOT, tiny_overrides
from documents import FILE, blocks
from fakes import annotations
from histoseg.data import PreparedNuclei
from histoseg.writers import check_geojson

from .conftest import call

PAGE = ROOT / "docs" / "own_data.md"
SMALL = {
    "train": [
        *tiny_overrides("hovernet"), "data/augment=none", "data.num_workers=0", "logger=csv",
        "data.tiles_per_image=4", "trainer.max_epochs=3", "trainer.check_val_every_n_epoch=3",
        "trainer.num_sanity_val_steps=0", "trainer.enable_progress_bar=false",
        "trainer.enable_model_summary=false", "model.optimizer.lr=3e-3", "trainer=cpu",
    ],
    "view": [],
    "predict": ["accelerator=cpu"],
    "prepare": [],
}  # fmt: skip


def steps() -> list[list[str]]:
    """Verb and arguments of each command of the numbered sections."""
    numbered = PAGE.read_text().partition("\n## Maps instead")[0]
    lines = re.findall(r"^(?:histoseg|python train\.py) .*", numbered, re.MULTILINE)
    typed = [shlex.split(line) for line in lines]
    return [words[1:] if words[0] == "histoseg" else ["train", *words[2:]] for words in typed]


def test_the_walk_through_leads_to_nuclei_in_qupath(tmp_path: Path) -> None:
    truth = annotations.write(tmp_path, count=6, size=72)
    for path in (tmp_path / "qupath").iterdir():
        text = path.read_text().replace('"tumour"', '"Tumor"')
        path.write_text(text.replace('"lymphocyte"', '"Immune cells"'))
    written = next(b for b in blocks(PAGE, "yaml") if FILE.match(b)[1] == "conf/data/liver.yaml")  # type: ignore[index]
    (tmp_path / "mine" / "data").mkdir(parents=True)
    (tmp_path / "mine" / "data" / "liver.yaml").write_text(written)
    verbs = []
    for verb, *words in steps():
        runs = sorted((tmp_path / "runs").glob("hovernet-liver/*"))
        args = [word.replace("<time>", runs[0].name if runs else "") for word in words]
        args = [a for a in args if a != "trainer=gpu"]
        said = call(verb, "--config-dir", tmp_path / "mine", *args, *SMALL[verb], cwd=tmp_path)
        assert said.code == 0, f"{verb} {args}: {said.err}"
        verbs.append(verb)
    assert verbs == ["prepare", "view", "view", "train", "predict", "prepare"]
    assert (tmp_path / "liver.png").is_file()
    assert (tmp_path / "data" / "liver.split.json").is_file()
    with (tmp_path / "predictions" / "summary.csv").open(newline="") as file:
        rows = {Path(row["image"]).stem: int(row["nuclei"]) for row in csv.DictReader(file)}
    assert set(rows) == set(truth)
    assert sum(rows.values()) > 0
    for name, count in rows.items():
        path = tmp_path / "predictions" / "geojson" / f"{name}.geojson"
        assert check_geojson(path) == []
        features = orjson.loads(path.read_bytes())["features"]
        assert len(features) == count
        names = [f["properties"].get("classification", {}).get("name") for f in features]
        assert set(names) <= {*annotations.CLASSES, None}
    first = PreparedNuclei(tmp_path / "data" / "liver", classes=annotations.CLASSES)
    assert sum(int(row["nuclei"]) for row in first.rows.values()) == 6 * 9
    again = PreparedNuclei(tmp_path / "data" / "liver2", classes=annotations.CLASSES)
    with (tmp_path / "data" / "liver2" / "report.csv").open(newline="") as file:
        dropped = len(list(csv.DictReader(file)))
    kept = sum(int(row["nuclei"]) for row in again.rows.values())
    assert kept + dropped == sum(rows.values())
