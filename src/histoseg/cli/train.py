"""``histoseg train``, and ``python train.py``."""

from __future__ import annotations

import sys

import hydra
from omegaconf import DictConfig

from histoseg.cli.conf import CONF


@hydra.main(version_base="1.3", config_path=CONF, config_name="train")
def run(cfg: DictConfig) -> float | None:
    """One job of training."""
    from histoseg.engine.start import start_training

    return start_training(cfg)


def main() -> None:
    """Read the command line and train."""
    from histoseg.engine.start import training_command

    sys.argv[1:] = training_command(sys.argv[1:], CONF)
    run()
