"""Compare held-out IHC and what was made of it with held-out H&E, as sets, and tile by tile.

python experiments/cyclegan_ihc_he/scores.py <folder of tiles.py> <output of histoseg predict>

The output is that of ``ihc/test``. Rows: IHC as it is; recoloured by Reinhard's method to the mean
colours of the training H&E; translated; and the training H&E, which says what is as near as can be.

KID is of features of a network of random weights (three convolutions, seed 0), because Inception's
weights were not at hand: only the order of the rows means anything, never the number. ``structure``
is the correlation of the blurred mean optical density with that of the IHC tile.
"""

from __future__ import annotations

import csv
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from histoseg.metrics import ColourDrift, DistributionScores
from histoseg.ops.reinhard import Reinhard
from histoseg.slides import read_image

HERE = Path(__file__).parent


class RandomFeatures(nn.Module):
    """Means and spreads of random convolutions: colour and texture, nothing learned."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            sizes = ((3, 32), (32, 64), (64, 128))
            self.layers = nn.ModuleList(nn.Conv2d(a, b, 5, stride=2) for a, b in sizes)

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 448) of (B, 3, H, W), uint8."""
        x, found = images.float() / 127.5 - 1, []
        for layer in self.layers:
            x = torch.relu(layer(x))
            found += [x.mean((2, 3)), x.std((2, 3))]
        return torch.cat(found, 1)


def main() -> None:
    """Score, print, write ``sets.csv``."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    tiles, made = Path(sys.argv[1]), Path(sys.argv[2])
    ihc = pictures(sorted((tiles / "ihc" / "test").glob("*.png")))
    stems = [path.stem for path in sorted((tiles / "ihc" / "test").glob("*.png"))]
    train = pictures(sorted((tiles / "he" / "train").glob("*.png")))
    real = pictures(sorted((tiles / "he" / "test").glob("*.png")))
    wanted = Reinhard.of(np.concatenate(train))
    owns = [Reinhard.of(tile) for tile in ihc]
    sets = {
        "IHC as it is": ihc,
        "Reinhard": [
            tile if own is None or wanted is None else wanted.given_to(tile, own)
            for tile, own in zip(ihc, owns, strict=True)
        ],
        "CycleGAN": pictures([made / "stains" / f"{stem}_he.png" for stem in stems]),
        "H&E of training": train,
    }
    rows = []
    for name, tiles_of in sets.items():
        row: dict[str, object] = {"set": name, "tiles": len(tiles_of)} | against(real, tiles_of)
        alike = len(tiles_of) == len(ihc) and name != "H&E of training"
        pairs = zip(ihc, tiles_of, strict=True) if alike else ()
        kept = [structure(a, b) for a, b in pairs]
        rows.append(row | {"structure": round(float(np.mean(kept)), 3) if kept else ""})
    with (HERE / "sets.csv").open("w", newline="") as f:
        for target in (f, sys.stdout):
            writer = csv.DictWriter(target, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def pictures(paths: list[Path]) -> list[np.ndarray]:
    """Read pictures."""
    return [read_image(path) for path in paths]


def against(real: list[np.ndarray], other: list[np.ndarray]) -> dict[str, object]:
    """KID and drift of a set against the held-out H&E."""
    metrics = (DistributionScores(["he"], RandomFeatures()), ColourDrift(["he"]))
    found: dict[str, object] = {}
    for metric in metrics:
        metric.update({"he": batch(real)}, {"he": batch(other)})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a FID of few pictures is biased: it is not used
            found |= {k: round(float(v), 5) for k, v in metric.compute().items()}
    names = ("kid/he", *(f"drift_{dye}/he" for dye in ("hematoxylin", "eosin", "dab")))
    return {name: found[name] for name in names}


def batch(tiles: list[np.ndarray]) -> Tensor:
    """(B, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.stack(tiles)).movedim(-1, 1).float() / 255


def structure(before: np.ndarray, after: np.ndarray) -> float:
    """Correlation of mean optical densities, blurred by 2 px."""
    blurred = [
        cv2.GaussianBlur(-np.log10((tile.astype(float).mean(axis=2) + 1) / 256), (0, 0), 2)
        for tile in (before, after)
    ]
    return float(np.corrcoef(blurred[0].ravel(), blurred[1].ravel())[0, 1])


if __name__ == "__main__":
    main()
