"""What a trainer of two optimisers cannot have."""

from typing import Any

import pytest
import pytorch_lightning as pl
from hydra.utils import instantiate

from conftest import Compose
from histoseg.engine.trainer import build_trainer


def test_what_needs_one_optimiser_is_refused_for_two(composed: Compose) -> None:
    cfg = composed("train", "model=pix2pix", "data=synthetic_stains", tiny="pix2pix")
    module = instantiate(cfg.model)
    refused: list[Any] = [
        pl.callbacks.LearningRateFinder(),
        pl.callbacks.StochasticWeightAveraging(swa_lrs=0.1),
        pl.callbacks.GradientAccumulationScheduler({0: 1}),
    ]
    for callback in refused:
        name = type(callback).__name__
        with pytest.raises(ValueError, match=f"{name} works with one optimiser; Pix2Pix has two"):
            build_trainer(cfg, module, [callback])
    assert build_trainer(cfg, module, [pl.callbacks.ModelCheckpoint()])
