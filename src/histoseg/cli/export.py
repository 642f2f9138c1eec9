"""``histoseg export``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from histoseg.cli.arguments import checkpoint_command
from histoseg.cli.conf import CONF
from histoseg.cli.start import settled, start


@hydra.main(version_base="1.3", config_path=CONF, config_name="export")
def run(cfg: DictConfig) -> None:
    """Write a checkpoint for another program."""
    from histoseg.engine.export import export

    export(settled(cfg))


def main() -> None:
    """Read the command line and export."""
    start("export", run, checkpoint_command)
