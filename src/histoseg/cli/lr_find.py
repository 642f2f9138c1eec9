"""``histoseg lr_find``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from histoseg.cli.arguments import training_command
from histoseg.cli.conf import CONF
from histoseg.cli.start import settled, start


@hydra.main(version_base="1.3", config_path=CONF, config_name="lr_find")
def run(cfg: DictConfig) -> None:
    """Test learning rates."""
    from histoseg.engine.lr_find import lr_find

    lr_find(settled(cfg))


def main() -> None:
    """Read the command line and test."""
    start("lr_find", run, training_command)
