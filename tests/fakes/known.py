"""A slide whose pixels say what is there, and a model that reads it off them: all is known.

Red is 255 in nuclei; green and blue hold the HV maps of the truth, 1..255 with 128 for 0. So a
network without weights gives the maps that a perfect HoVer-Net would.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
import torch
from torch import Tensor, nn

from fakes.models import Blots
from histoseg.contracts import Array, Maps, Predicted, Sample
from histoseg.engine.slides.forward import Forward
from histoseg.engine.slides.settings import Settings
from histoseg.engine.slides.slide_run import SlideRun
from histoseg.modules.base import Outputs
from histoseg.postprocess import HoverWatershed
from histoseg.slides import SlideEntry
from histoseg.targets import hover_maps

ZERO = 128
LEAST = 70  # px of area: what the border leaves of some has no core; whole ones have 75 and more
STEP = 26  # px from one place for a nucleus to the next; nuclei are shorter


def nuclei(side: int, share: float = 0.6, seed: int = 0) -> Array:
    """Ellipses that do not touch, some cut by the border: instances (side, side), int32."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((side, side), np.int32)
    places = np.stack(np.mgrid[0 : side + STEP : STEP, 0 : side + STEP : STEP], -1).reshape(-1, 2)
    places = places[rng.random(len(places)) < share]
    moves = rng.integers(-2, 3, places.shape)
    axes, turns = rng.integers(5, 10, places.shape), rng.integers(0, 180, len(places))
    for number, (at, move, axis, turn) in enumerate(
        zip(places, moves, axes, turns, strict=True), start=1
    ):
        y, x = (at + move).tolist()
        cv2.ellipse(labels, (x, y), axis.tolist(), float(turn), 0, 360, number, -1)
    small = np.bincount(labels.ravel()) < LEAST
    return np.where(small[labels], 0, labels).astype(np.int32)


def picture(labels: Array) -> Array:
    """The slide of these nuclei: (H, W, 3), uint8."""
    hv = hover_maps(torch.from_numpy(labels.astype(np.int64))[None])[0].numpy()
    image = np.empty((*labels.shape, 3), np.uint8)
    image[..., 0] = (labels > 0) * np.uint8(255)
    image[..., 1:] = np.moveaxis((hv * 127 + ZERO).round(), 0, -1)
    return image


def write(path: Path, labels: Array) -> None:
    """The slide as a tiled file without loss, at 0.25 um/px."""
    options: dict[str, Any] = {"resolution": (4e4, 4e4), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(
        path, picture(labels), photometric="rgb", tile=(256, 256), compression="deflate", **options
    )


class Reader(nn.Module):
    """Cuts the margin off."""

    def __init__(self, margin: int) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, tiles: Tensor) -> Tensor:
        inner = slice(self.margin, tiles.shape[-1] - self.margin)
        return tiles[..., inner, inner]


class Honest(Blots):
    """Maps as `picture` hides them, decoded as HoVer-Net's are on slides."""

    def __init__(self, tile: int = 256, margin: int = 46) -> None:
        decoder = HoverWatershed(normalise="fixed")
        super().__init__(tile=tile, margin=margin, postprocess=decoder)
        self.network = Reader(margin)
        self.still = nn.Parameter(torch.zeros(()))  # what says on which device it is

    def forward(self, batch: Sample) -> Outputs:
        return {"pixels": self.network(batch["image"])}

    def maps(self, outputs: Outputs) -> Maps:
        pixels = outputs["pixels"].float()
        return {"np": pixels[:, :1], "hv": (pixels[:, 1:] * 255 - ZERO) / 127}


class Painted:
    """A writer that keeps the label map in memory."""

    def __call__(self, folder: Path, prediction: Predicted) -> Path:
        self.labels = np.zeros(prediction.size, np.int32)
        for x, y, labels in prediction.label_parts():
            place = self.labels[y : y + labels.shape[0], x : x + labels.shape[1]]
            place[labels > 0] = labels[labels > 0]
        path = folder / "painted.txt"
        path.write_text(str(int(self.labels.max())))
        return path


def predict(slide: Path, output: Path, tile: int = 256, margin: int = 46, **given: Any) -> Array:
    """Label map (H, W), int32, of the slide run with these settings; a nucleus is numbered once."""
    own: dict[str, Any] = {
        "model_mpp": 0.25, "mpp": None, "region": 1536, "halo": 164, "overlap": 0, "cache": 2**30,
        "workers": 0, "tissue": "none", "stains": False, "save_mask": False, "save_thumb": False,
        "stamp": "known", "batch_size": 8,
    }  # fmt: skip
    own |= given
    painted = Painted()
    forward = Forward(Honest(tile, margin).eval(), own.pop("batch_size"))
    settings = Settings(output, forward, {"painted": painted}, **own)
    row = SlideRun(SlideEntry(slide, "known"), settings).run()
    if row["nuclei"] != painted.labels.max():
        raise ValueError(f"{row['nuclei']} nuclei are counted, {painted.labels.max()} are painted")
    return painted.labels
