"""The data of a configuration, as a model wants its images."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig

from histoseg.modules.base import Module


def build_data(cfg: DictConfig, module: Module | None) -> pl.LightningDataModule:
    """Build the data module, with the normalisation of the model, which is the model's alone.

    So an image is normalised alike wherever it comes from: other data bring no other one.
    """
    needs: dict[str, Any] = {}
    if module is not None and module.normalise is not None:
        needs["normalise"] = module.normalise
    learns = getattr(module, "learns", None)
    if learns is not None:
        needs["learns"] = learns
    data: pl.LightningDataModule = instantiate(cfg.data, **needs)
    return data
