"""Known nuclei on 8,000 x 8,000 px, found whole and in regions: panoptic quality has to be 1.

The slide hides the maps of its nuclei in its pixels, and the model reads them off (`fakes.known`);
tiles, regions, halos, decoding, part files and counting are those of every prediction.
``python benchmarks/seams.py [side]`` prints for each setting the nuclei, PQ against the truth and
PQ against the slide done as one region, and ends with an error where one is not exactly 1 or a
nucleus is missing or too many. Nothing is timed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from fakes import known
from histoseg.metrics.functional import overlap, panoptic_quality

SIDE = 8000
SETTINGS: dict[str, dict[str, Any]] = {
    "whole: one region": {"region": 10**6},
    "defaults": {"workers": 1},
    "region 512, batch 3": {"region": 512, "batch_size": 3},
    "region 2000, 2 workers, no cache": {"region": 2000, "workers": 2, "cache": 0},
    "region 700, halo 64, batch 16": {"region": 700, "halo": 64, "batch_size": 16},
    "tiles of 128 px, margin 23": {"tile": 128, "margin": 23, "region": 900},
    "tiles of 512 px, margin 46": {"tile": 512, "margin": 46, "batch_size": 2},
    "outputs overlap by 24 px": {"overlap": 24, "region": 1200},
}


def main() -> None:
    side = int(sys.argv[1]) if len(sys.argv) > 1 else SIDE
    truth = known.nuclei(side)
    count = len(np.unique(truth)) - 1
    print(f"{side} x {side} px, {count} nuclei")
    whole, wrong = None, False
    with tempfile.TemporaryDirectory() as folder:
        slide = Path(folder) / "known.tif"
        known.write(slide, truth)
        for number, (name, given) in enumerate(SETTINGS.items()):
            found = known.predict(slide, Path(folder) / str(number), **given)
            whole = found if whole is None else whole
            tables = [overlap(m, found) for m in (truth, whole)]
            scores = [float(panoptic_quality(table).pq) for table in tables]
            nuclei = int(found.max())
            exact = nuclei == count and all(
                len(table.iou) == count and (table.iou == 1).all() for table in tables
            )
            wrong |= not exact
            print(
                f"{name:<34}{nuclei:>8} nuclei  PQ {scores[0]:.6f} of the truth,"
                f" {scores[1]:.6f} of the whole  {'ok' if exact else 'WRONG'}",
                flush=True,
            )
    sys.exit(wrong)


if __name__ == "__main__":
    main()
