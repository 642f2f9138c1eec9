"""Make the record of an experiment from its runs: results.csv and curve.png.

python experiments/record.py <name> <folder of a run> [<folder of a run> ...]
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
CURVES = ("train/loss", "val/loss", "val/pq")


def main() -> None:
    """Read the runs named on the command line, write into ``experiments/<name>/``."""
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    folder = HERE / sys.argv[1]
    folder.mkdir(exist_ok=True)
    runs = [Path(argument) for argument in sys.argv[2:]]
    rows = [scores(run) for run in runs]
    with (folder / "results.csv").open("w", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    draw(runs, folder / "curve.png")
    for key in list(rows[0])[2:]:
        values = [row[key] for row in rows]
        mean = sum(values) / len(values)
        spread = (sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1)) ** 0.5
        sys.stdout.write(f"{key:<16} {mean:.4f} ± {spread:.4f} (SD of {len(values)} runs)\n")


def scores(run: Path) -> dict[str, Any]:
    """One row: seed, commit, and the scores of the test split."""
    facts = json.loads((run / "environment.json").read_text())
    found = json.loads((run / "test" / "metrics.json").read_text())
    numbers = {key.removeprefix("test/"): round(v, 5) for key, v in found.items() if v is not None}
    return {"seed": facts["seed"], "commit": (facts["git"]["commit"] or "")[:10], **numbers}


def draw(runs: list[Path], path: Path) -> None:
    """Draw one panel a curve, one line a run, over epochs of all phases."""
    figure, panels = plt.subplots(1, len(CURVES), figsize=(4 * len(CURVES), 3), squeeze=False)
    for panel, key in zip(panels[0], CURVES, strict=True):
        for run in runs:
            with (run / "metrics.csv").open(newline="") as f:
                values = [float(row[key]) for row in csv.DictReader(f) if row.get(key)]
            seed = json.loads((run / "environment.json").read_text())["seed"]
            panel.plot(range(1, len(values) + 1), values, marker=".", label=f"seed {seed}")
        panel.set(title=key, xlabel="epoch")
        if key.endswith("loss"):
            panel.set_yscale("log")
        panel.grid(alpha=0.3)
    panels[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
