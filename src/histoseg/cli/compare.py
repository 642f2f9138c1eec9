"""``histoseg compare``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from histoseg.cli.conf import CONF
from histoseg.cli.start import start


@hydra.main(version_base="1.3", config_path=CONF, config_name="compare")
def run(cfg: DictConfig) -> None:
    """Compare."""
    from histoseg.engine.compare import compare

    compare(cfg)


def main() -> None:
    """Read the command line and write."""
    start("compare", run)
