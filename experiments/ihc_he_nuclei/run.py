"""IHC to H&E to nuclei on EndoNuke, beside what the nuclei model does without a translator.

python experiments/ihc_he_nuclei/run.py <translator> <nuclei> <output> [key=value ...]

<translator> and <nuclei> are checkpoints or folders of runs, or lists [a,b] of them. Further
settings go to the two scorings on EndoNuke. A stage that was done with the same weights and
settings is not done again. Writes <output>/table.csv and prints it.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser

from histoseg.engine import checkpoint
from histoseg.engine.assembled import paths_of
from histoseg.engine.slides.stamps import hash_of, hash_of_file

CLASSES = {"neoplastic": "epithelium", "epithelial": "epithelium", "connective": "stroma"}
GROUPS = {
    "pathologists": ["ptg1", "ptg2", "ptg3"],
    "students": ["stud1", "stud2", "stud3", "stud4"],
}
GROUPED = "groups.csv"


def main(args: list[str]) -> None:
    """Do what is not done yet, and put the rows together."""
    if len(args) < 3:
        sys.exit(__doc__)
    translator, nuclei, output, *more = args
    out = Path(output)
    paths = [a for a in more if a.startswith("paths.")]
    histoseg("prepare", "data=endonuke", *paths)  # keeps what it has fetched and prepared
    led = ["data=endonuke", f"points.class_of={compact(classes_of(nuclei))}"]
    if not any(a.startswith("points.groups=") for a in more):
        led.append(f"points.groups={compact(groups_there(more))}")
    stages = {
        "translated": [f"pipeline=[{translator},{nuclei}]", *led, *more],
        "as it is": [f"ckpt={nuclei}", *led, *(a for a in more if not of_pipeline(a))],
        "H&E test": [f"ckpt={nuclei}", *(a for a in paths)],
    }
    rows = []
    for name, settings in stages.items():
        folder = out / name.replace(" ", "_").replace("&", "n")
        weights = [nuclei, translator] if name == "translated" else [nuclei]
        scored(folder, settings, weights)
        rows += rows_of(name, folder)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (out / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    print((out / "table.csv").read_text())


def scored(folder: Path, settings: list[str], weights: list[str]) -> None:
    """Score into a folder, unless that was done with these settings and weights."""
    files = [checkpoint.find(Path(path)) for given in weights for path in listed(given)]
    stamp = hash_of([settings, [hash_of_file(file) for file in files]])
    done = folder / "stamp.txt"
    if done.is_file() and done.read_text() == stamp:
        print(f"{folder}: done before")
        return
    shutil.rmtree(folder, ignore_errors=True)
    histoseg("evaluate", *settings, f"hydra.run.dir={folder}")
    done.write_text(stamp)


def rows_of(name: str, folder: Path) -> list[dict[str, str]]:
    """Scores of a stage: of each group of annotators, or of the whole test split."""
    if (folder / GROUPED).is_file():
        with (folder / GROUPED).open(newline="") as file:
            return [{"images of": name, **row} for row in csv.DictReader(file)]
    scores = json.loads((folder / "metrics.json").read_text())
    kept = {k.removeprefix("test/"): f"{v}" for k, v in scores.items() if "f1" in k or "pq" in k}
    return [{"images of": name, "group": "all", **kept}]


def classes_of(nuclei: str) -> dict[str, str]:
    """Which classes of the model are which of EndoNuke's."""
    stored = checkpoint.stored_config(checkpoint.find(Path(listed(nuclei)[0])))
    return {own: CLASSES[own] for own in stored.model.classes if own in CLASSES}


def groups_there(settings: list[str]) -> dict[str, list[str]]:
    """The groups as far as their members have annotated something of what was prepared."""
    usual = os.environ.get("HISTOSEG_DATA", "data")
    root = next((a.partition("=")[2] for a in settings if a.startswith("paths.data=")), usual)
    with (Path(root) / "endonuke" / "items.csv").open(newline="") as file:
        there = {row["split"] for row in csv.DictReader(file)}
    found = {name: [w for w in some if w in there] for name, some in GROUPS.items()}
    return {name: some for name, some in found.items() if some}


def of_pipeline(setting: str) -> bool:
    """Whether a setting means nothing without a translator."""
    return setting.startswith("model.")


def compact(node: object) -> str:
    """A dictionary as Hydra's command line takes it."""
    return json.dumps(node, separators=(",", ":")).replace('"', "") if node else "null"


def listed(given: str) -> list[str]:
    """Checkpoints that an argument names."""
    if not given.startswith("["):
        return [given]
    return paths_of(OverridesParser.create().parse_override(f"x={given}").value())


def histoseg(*args: str) -> None:
    """Run the command line; an error of it ends all."""
    done = subprocess.run([sys.executable, "-m", "histoseg", *args], check=False)
    if done.returncode:
        sys.exit(f"histoseg {' '.join(args)} ended with code {done.returncode}; the same command "
                 "goes on from here")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
