"""``histoseg evaluate``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from histoseg.cli.arguments import checkpoint_command
from histoseg.cli.conf import CONF
from histoseg.cli.start import settled, start


@hydra.main(version_base="1.3", config_path=CONF, config_name="evaluate")
def run(cfg: DictConfig) -> None:
    """Score a checkpoint."""
    from histoseg.engine.evaluate import evaluate

    evaluate(settled(cfg))


def main() -> None:
    """Read the command line and score."""
    start("evaluate", run, checkpoint_command)
