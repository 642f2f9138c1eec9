"""``histoseg score_ihc``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from histoseg.cli.conf import CONF
from histoseg.cli.start import settled, start


@hydra.main(version_base="1.3", config_path=CONF, config_name="score_ihc")
def run(cfg: DictConfig) -> None:
    """Score Seg pictures."""
    from histoseg.engine.score_ihc import score_ihc

    score_ihc(settled(cfg))


def main() -> None:
    """Read the command line and score."""
    start("score_ihc", run)
