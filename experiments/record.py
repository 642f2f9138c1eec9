"""Make the record of an experiment from its runs: results.csv and curve.png.

python experiments/record.py <name> <run> [<run> ...] [--curves train/l1,val/l1,val/pq]
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
CURVES = "train/loss,val/loss,val/pq"


def main() -> None:
    """Read the runs named on the command line, write into ``experiments/<name>/``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("runs", nargs="+", type=Path, help="folders")
    parser.add_argument("--curves", default=CURVES, help="columns of metrics.csv to draw")
    arguments = parser.parse_args()
    folder, runs = HERE / arguments.name, arguments.runs
    folder.mkdir(exist_ok=True)
    rows = [scores(run) for run in runs]
    with (folder / "results.csv").open("w", newline="") as f:
        writer = csv.DictWriter(f, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)
    draw(runs, arguments.curves.split(","), folder / "curve.png")
    for key in list(rows[0])[2:]:
        values = [row[key] for row in rows if key in row]  # not each run has each number
        mean = sum(values) / len(values)
        spread = (sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1)) ** 0.5
        sys.stdout.write(f"{key:<16} {mean:.4f} ± {spread:.4f} (SD of {len(values)} runs)\n")


def scores(run: Path) -> dict[str, Any]:
    """One row: seed, commit, and the scores of the test split."""
    facts = json.loads((run / "environment.json").read_text())
    found = json.loads((run / "test" / "metrics.json").read_text())
    numbers = {key.removeprefix("test/"): round(v, 5) for key, v in found.items() if v is not None}
    return {"seed": facts["seed"], "commit": (facts["git"]["commit"] or "")[:10], **numbers}


def draw(runs: list[Path], curves: list[str], path: Path) -> None:
    """Draw one panel a curve, one line a run, over epochs of all phases."""
    figure, panels = plt.subplots(1, len(curves), figsize=(4 * len(curves), 3), squeeze=False)
    for panel, key in zip(panels[0], curves, strict=True):
        for run in runs:
            seed = json.loads((run / "environment.json").read_text())["seed"]
            epochs, values = points(run / "metrics.csv", key)
            panel.plot(epochs, values, marker=".", label=f"seed {seed}")
        panel.set(title=key, xlabel="epoch")
        if key.endswith("loss"):
            panel.set_yscale("log")
        panel.grid(alpha=0.3)
    panels[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def points(path: Path, key: str) -> tuple[list[int], list[float]]:
    """Epochs, from 1 on over all phases, and values of a curve; not every epoch has one."""
    epochs: list[int] = []
    values: list[float] = []
    before = last = 0
    with path.open(newline="") as f:
        for row in csv.DictReader(f):
            if not row.get(key):
                continue
            epoch = int(row["epoch"])
            before += last + 1 if epoch < last else 0
            last = epoch
            epochs.append(before + epoch + 1)
            values.append(float(row[key]))
    if not values:
        sys.exit(f"{path} has no values of {key}")
    return epochs, values


if __name__ == "__main__":
    main()
