"""Scores of translated pictures, against scikit-image picture by picture and torchmetrics' FID."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from _cases import report, seconds
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.image.fid import FrechetInceptionDistance

from histoseg.metrics import StainScores
from histoseg.metrics.functional.frechet import frechet_distance, gaussian

Array = NDArray[Any]
IMAGES, SIDE, WIDTH, COUNT = 4, 512, 512, 2048


def plain_similarity(true: Array, pred: Array) -> dict[str, float]:
    """SSIM, PSNR and MSE of pictures (B, H, W, 3), one after the other."""
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    rows = []
    for image, other in zip(true, pred, strict=True):
        ssim = structural_similarity(image, other, data_range=1, channel_axis=-1, **settings)
        psnr = peak_signal_noise_ratio(image, other, data_range=1)
        rows.append((ssim, psnr, float(np.square(image - other).mean())))
    return dict(zip(("ssim", "psnr", "mse"), np.mean(rows, axis=0), strict=True))


def our_similarity(true: torch.Tensor, pred: torch.Tensor) -> dict[str, float]:
    metric = StainScores(["marker"])
    metric.update({"marker": true}, {"marker": pred})
    return {name: value.item() for name, value in metric.compute().items()}


def plain_distance(real: Array, fake: Array) -> float:
    """Torchmetrics, which takes the eigenvalues of a general matrix."""
    passed_on = torch.nn.Identity()
    passed_on.num_features = WIDTH
    metric = FrechetInceptionDistance(feature=passed_on)
    metric.update(torch.from_numpy(real), real=True)
    metric.update(torch.from_numpy(fake), real=False)
    return metric.compute().item()


def main() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    true = rng.random((IMAGES, SIDE, SIDE, 3)).astype(np.float32)
    pred = np.clip(true + rng.normal(0, 0.1, true.shape), 0, 1).astype(np.float32)
    tensors = [torch.from_numpy(side).movedim(-1, 1).contiguous() for side in (true, pred)]
    wide = true.astype(np.float64), pred.astype(np.float64)
    ours = our_similarity(*tensors)
    for name, value in plain_similarity(*wide).items():
        assert abs(value - ours[name]) < 1e-5 * max(1, value), f"{name}: {value}, {ours[name]}"
    plain, fast = seconds(
        lambda: plain_similarity(*wide), lambda: our_similarity(*tensors), repeats=5
    )
    scale = 1000 / IMAGES
    report("SSIM, PSNR, MSE of 512 px RGB", scale * plain, scale * fast, "ms", goal=5.0)

    mixed = rng.normal(size=(WIDTH, WIDTH)) / WIDTH**0.5
    real, fake = (rng.normal(size=(COUNT, WIDTH)) @ mixed for _ in range(2))
    apart = frechet_distance(gaussian(real), gaussian(fake))
    assert abs(apart - plain_distance(real, fake)) < 1e-6 * apart
    plain, fast = seconds(
        lambda: plain_distance(real, fake),
        lambda: frechet_distance(gaussian(real), gaussian(fake)),
        repeats=3,
    )
    report("Frechet distance, 512 features", 1000 * plain, 1000 * fast, "ms", goal=2.0)


if __name__ == "__main__":
    main()
