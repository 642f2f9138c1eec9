"""``histoseg check``."""

from __future__ import annotations

import sys

import hydra
from omegaconf import DictConfig

from histoseg.cli.conf import CONF
from histoseg.cli.start import start


@hydra.main(version_base="1.3", config_path=CONF, config_name="check")
def run(cfg: DictConfig) -> None:
    """Check GeoJSON files.

    Raises:
        SystemExit: If something is wrong with one of them.
    """
    from histoseg.engine.check import check

    if check(cfg):
        sys.exit(1)


def main() -> None:
    """Read the command line and check."""
    start("check", run)
