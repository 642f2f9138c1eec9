"""``histoseg register``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from histoseg.cli.conf import CONF
from histoseg.cli.start import settled, start


@hydra.main(version_base="1.3", config_path=CONF, config_name="register")
def run(cfg: DictConfig) -> None:
    """Register pictures."""
    from histoseg.engine.register import register

    register(settled(cfg))


def main() -> None:
    """Read the command line and register."""
    start("register", run)
