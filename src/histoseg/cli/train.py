"""``histoseg train``, and ``python train.py``."""

from __future__ import annotations

import os
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
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

    _check_one_folder()
    check_contract(cfg, Path(CONF))
    check_overrides(cfg, HydraConfig.get().overrides.task)
    return train(settled(cfg))


def _check_one_folder() -> None:
    """Refuse processes started from outside that would each make a folder of its own.

    Raises:
        ValueError: If there are several and ``hydra.run.dir`` is not given.
    """
    count = max(int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "SLURM_NTASKS"))
    hydra_cfg = HydraConfig.get()
    named = any(o.startswith("hydra.run.dir=") for o in hydra_cfg.overrides.hydra)
    if count > 1 and hydra_cfg.mode == RunMode.RUN and not named:
        raise ValueError(
            f"{count} processes were started from outside, and each would make a run folder of its "
            "own: name one for all with hydra.run.dir=<folder>"
        )


def main() -> None:
    """Read the command line and train."""
    start("train", run, training_command)
