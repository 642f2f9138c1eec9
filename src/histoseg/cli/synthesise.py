"""``histoseg synthesise``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from histoseg.cli.arguments import checkpoint_command
from histoseg.cli.conf import CONF
from histoseg.cli.start import settled, start


@hydra.main(version_base="1.3", config_path=CONF, config_name="synthesise")
def run(cfg: DictConfig) -> None:
    """Make strips of recoloured cells."""
    from histoseg.engine.synthesise import synthesise

    synthesise(settled(cfg))


def main() -> None:
    """Read the command line and synthesise."""
    start("synthesise", run, checkpoint_command)
