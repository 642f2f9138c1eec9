"""``histoseg explore``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from histoseg.cli.conf import CONF
from histoseg.cli.start import settled, start


@hydra.main(version_base="1.3", config_path=CONF, config_name="explore")
def run(cfg: DictConfig) -> None:
    """Draw transforms."""
    from histoseg.engine.explore import explore

    explore(settled(cfg))


def main() -> None:
    """Read the command line and draw."""
    start("explore", run)
