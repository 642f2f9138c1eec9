"""``histoseg predict``."""

from __future__ import annotations

import sys

import hydra
from omegaconf import DictConfig

from histoseg.cli.conf import CONF


@hydra.main(version_base="1.3", config_path=CONF, config_name="predict")
def run(cfg: DictConfig) -> None:
    """Run a checkpoint on images."""
    from histoseg.engine.predict import predict
    from histoseg.engine.start import settled

    predict(settled(cfg))


def main() -> None:
    """Read the command line and start."""
    from histoseg.engine.start import offer_checkpoint

    offer_checkpoint(sys.argv[1:])
    run()
