"""A checkpoint of a HoVer-Net of any width with random weights, always the same."""

from __future__ import annotations

from pathlib import Path

import torch
from hydra import compose, initialize_config_dir

from histoseg.cli.conf import CONF
from histoseg.engine import checkpoint

NARROW = ("model.network.width=8", "model.network.depths=[1,1,1,1]")


def untrained(path: Path, *overrides: str) -> Path:
    """Write one.

    Args:
        path: ``.ckpt``.
        overrides: Of its configuration, as of a training on synthetic tissue.
    """
    torch.manual_seed(0)
    with initialize_config_dir(CONF, version_base="1.3"):
        cfg = compose("train", ["model=hovernet", "data=synthetic", "paths.run=.", *overrides])
    module = checkpoint.build(cfg)
    torch.save({"state_dict": module.state_dict(), "histoseg": module.recipe}, path)
    return path
