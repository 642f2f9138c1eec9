"""``histoseg view``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from histoseg.cli.conf import CONF
from histoseg.cli.start import start


@hydra.main(version_base="1.3", config_path=CONF, config_name="view")
def run(cfg: DictConfig) -> None:
    """Draw a sheet of samples."""
    from histoseg.engine.view import view

    view(cfg)


def main() -> None:
    """Read the command line and draw."""
    start("view", run)
