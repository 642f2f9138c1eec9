"""``histoseg report``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from histoseg.cli.conf import CONF
from histoseg.cli.start import start


@hydra.main(version_base="1.3", config_path=CONF, config_name="report")
def run(cfg: DictConfig) -> None:
    """Write pages."""
    from histoseg.engine.report_run import report

    report(cfg)


def main() -> None:
    """Read the command line and write."""
    start("report", run)
