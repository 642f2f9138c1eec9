"""``histoseg score``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from histoseg.cli.conf import CONF
from histoseg.cli.start import settled, start


@hydra.main(version_base="1.3", config_path=CONF, config_name="score")
def run(cfg: DictConfig) -> None:
    """Score files."""
    from histoseg.engine.score import score

    score(settled(cfg))


def main() -> None:
    """Read the command line and score."""
    start("score", run)
