"""``histoseg prepare``."""

from __future__ import annotations

import sys

import hydra
from omegaconf import DictConfig

from histoseg.cli.arguments import value
from histoseg.cli.conf import CONF
from histoseg.cli.start import start


@hydra.main(version_base="1.3", config_path=CONF, config_name="prepare")
def run(cfg: DictConfig) -> None:
    """Prepare a set."""
    from histoseg.engine.prepare import prepare

    prepare(cfg)


def preparing_command(args: list[str]) -> list[str]:
    """The command line of a preparation; ``annotations=`` alone means annotations of one's own.

    Raises:
        SystemExit: If neither data nor annotations are named.
    """
    if value(args, "data") is not None:
        return args
    if value(args, "annotations") is not None:
        return [*args, "data=annotations"]
    if not any(a.startswith("-") for a in args):
        sys.exit(
            "histoseg: what to prepare? Say data=<name of a public set>, or for your own "
            "annotations=<file, folder or glob> images=<folder> output=<folder>. Choices: "
            "histoseg prepare --help"
        )
    return args


def main() -> None:
    """Read the command line and prepare."""
    start("prepare", run, preparing_command)
