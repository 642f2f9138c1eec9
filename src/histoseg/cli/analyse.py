"""``histoseg analyse``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from histoseg.cli.conf import CONF
from histoseg.cli.start import settled, start


@hydra.main(version_base="1.3", config_path=CONF, config_name="analyse")
def run(cfg: DictConfig) -> None:
    """Analyse nuclei."""
    from histoseg.engine.analyse import analyse

    analyse(settled(cfg))


def main() -> None:
    """Read the command line and analyse."""
    start("analyse", run)
