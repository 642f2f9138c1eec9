"""``histoseg view``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from histoseg.cli.conf import CONF


@hydra.main(version_base="1.3", config_path=CONF, config_name="view")
def main(cfg: DictConfig) -> None:
    """Draw a sheet of samples."""
    from histoseg.engine.view import view

    view(cfg)
