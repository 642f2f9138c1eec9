"""What the fixed scale of slopes, the default, loses or wins against the original's, in numbers.

HV maps are made of the annotation of real tiles and damaged as a network's are, with a seed: ideal;
blurred, which lowers the falls between nuclei; noisy; flat, as of a network that dares no extremes;
and all of it. Both ways decode the same maps, and the annotation judges. The tiles are the small
sets that the tests use too (``HISTOSEG_SHARED_DATA``, or ``../shared/data`` beside the checkout).
It prints a row for each set and damage: PQ and AJI, means over tiles, and on how many tiles either
way has the higher PQ. Nothing is timed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from histoseg.contracts import Array
from histoseg.data import DSB2018
from histoseg.metrics.functional import image_scores
from histoseg.postprocess import HoverWatershed
from histoseg.prepare import NuCLSJoined
from histoseg.targets import hover_maps


class Damage(NamedTuple):
    """What is done to ideal maps: SD of a blur in px, SD of noise, factor of the HV maps."""

    blur: float = 0
    noise: float = 0
    factor: float = 1


DAMAGE = {
    "ideal": Damage(),
    "blurred, 2 px": Damage(blur=2),
    "blurred, 4 px": Damage(blur=4),
    "noisy, SD 0.1": Damage(noise=0.1),
    "noisy, SD 0.3": Damage(noise=0.3),
    "flat, half as high": Damage(factor=0.5),
    "all: 2 px, 0.1, 0.8": Damage(2, 0.1, 0.8),
}
SHARED = Path(os.environ.get("HISTOSEG_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


def main() -> None:
    if not SHARED.is_dir():
        print(f"normalise.py: no tiles at {SHARED}; set HISTOSEG_SHARED_DATA")
        return
    only = sys.argv[1:]
    print("| tiles | maps | PQ tile | PQ fixed | AJI tile | AJI fixed | higher PQ: tile, fixed |")
    print("|---|---|---|---|---|---|---|")
    for name, tiles in sets().items():
        for kind, damage in DAMAGE.items():
            if not only or name in only:
                print(row(f"{name} ({len(tiles)})", kind, tiles, damage), flush=True)


def sets() -> dict[str, list[Array]]:
    """Instance maps by set."""
    return {
        "nucls": [i.read().instances for i in NuCLSJoined().items(SHARED / "nucls_cellvitpp")],
        "dsb2018 histology": list(of_dsb("dsb2018_histology")),
        "dsb2018 fluorescence": list(of_dsb("dsb2018_fluorescence")),
    }


def of_dsb(folder: str) -> Iterator[Array]:
    data = DSB2018(SHARED / folder)
    return (data[i]["instances"] for i in range(len(data)))


def row(name: str, kind: str, tiles: list[Array], damage: Damage) -> str:
    found: dict[str, list[tuple[float, float]]] = {"tile": [], "fixed": []}
    for number, true in enumerate(tiles):
        maps = damaged(true, damage, np.random.default_rng(number))
        for way, scores in found.items():
            got = HoverWatershed(normalise=way)(maps)  # type: ignore[arg-type]
            of_tile = image_scores(true.astype(np.int32), got.labels)
            scores.append((of_tile["pq"], of_tile["aji"]))
    tile, fixed = (np.array(found[way]) for way in ("tile", "fixed"))
    means = [f"{m:.3f}" for pair in zip(tile.mean(0), fixed.mean(0), strict=True) for m in pair]
    higher = [int((a[:, 0] > b[:, 0] + 1e-6).sum()) for a, b in ((tile, fixed), (fixed, tile))]
    return f"| {name} | {kind} | {' | '.join(means)} | {higher[0]}, {higher[1]} |"


def damaged(true: Array, damage: Damage, rng: np.random.Generator) -> dict[str, Array]:
    hv = hover_maps(torch.from_numpy(true.astype(np.int64))[None])[0].numpy() * damage.factor
    probability = (true > 0).astype(np.float32)
    if damage.blur:
        hv = np.stack([cv2.GaussianBlur(m, (0, 0), damage.blur) for m in hv])
        probability = cv2.GaussianBlur(probability, (0, 0), damage.blur / 2)
    hv = hv + rng.normal(0, damage.noise, hv.shape)
    probability = probability + rng.normal(0, damage.noise / 2, probability.shape)
    return {"np": probability[None].astype(np.float32), "hv": hv.astype(np.float32)}


if __name__ == "__main__":
    main()
