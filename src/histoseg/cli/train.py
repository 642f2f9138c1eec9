"""``histoseg train``, and ``python train.py``."""

from __future__ import annotations

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from histoseg.cli.arguments import training_command
from histoseg.cli.conf import CONF
from histoseg.cli.start import settled, start


@hydra.main(version_base="1.3", config_path=CONF, config_name="train")
def run(cfg: DictConfig) -> float | None:
    """One job of training."""
    from histoseg.engine.contract import check_contract
    from histoseg.engine.phases import check_overrides
    from histoseg.engine.train import train

    check_contract(cfg, Path(CONF))
    check_overrides(cfg, HydraConfig.get().overrides.task)
    return train(settled(cfg))


def main() -> None:
    """Read the command line and train."""
    start("train", run, training_command)
