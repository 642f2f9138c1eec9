"""Error of registration after known random affines, on painted tissue or on a strip of panels.

    python benchmarks/registration.py [<strip of IHC, Hematoxylin, DAPI, ... panels>] [number]

Panels of published strips are up to 11 px apart, so the truth between two stains is the known
affine after what is found without any; within one stain it is the known affine alone.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from histoseg.registration import (
    Limits,
    Refinement,
    Search,
    Settings,
    align,
    mean_distance,
    nuclear_channel,
)
from histoseg.slides import read_image
from registration.painted import brightfield, fluorescence, moved, nuclei, random_affine

HOW = Settings(Search(), Refinement(), Limits())


def main() -> None:
    cv2.setNumThreads(1)
    if len(sys.argv) > 1:
        strip = read_image(Path(sys.argv[1]))
        side = strip.shape[0]
        ihc, dapi = strip[:, :side], strip[:, 2 * side : 3 * side]
    else:
        side, amount = 512, nuclei(0, 512)
        ihc, dapi = brightfield(amount), fluorescence(amount)
    fixed = nuclear_channel(ihc)
    offset = align(fixed, nuclear_channel(dapi), HOW).matrix
    print(f"panels are {mean_distance(offset, np.eye(3), (side, side)):.1f} px apart")
    for seed in range(int(sys.argv[2]) if len(sys.argv) > 2 else 4):
        truth = random_affine(seed, (side, side))
        moving = nuclear_channel(moved(dapi, truth))
        start = time.perf_counter()
        across = align(fixed, moving, HOW)
        seconds = time.perf_counter() - start
        within = align(nuclear_channel(dapi), moving, HOW)
        between = mean_distance(across.matrix, truth @ offset, (side, side))
        print(
            f"{seed:>3} IHC-DAPI {between:.3f} px"
            f"  DAPI-DAPI {mean_distance(within.matrix, truth, (side, side)):.3f} px"
            f"  contrast {across.quality.contrast:.2f}  agreeing {across.quality.agreeing:.2f}"
            f"  {seconds:.1f} s  {across.complaints or 'good'}",
            flush=True,
        )


if __name__ == "__main__":
    main()
