"""What every verb does around its work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from histoseg.cli.arguments import help_text, ordered
from histoseg.engine.plain_errors import plain_errors

PATHS = frozenset({"input", "output", "ckpt"})


def start(
    verb: str, run: Callable[[], Any], prepare: Callable[[list[str]], list[str]] | None = None
) -> None:
    """Run a verb on the command line, or show its help.

    Args:
        verb: Its name.
        run: Its work, decorated by Hydra.
        prepare: What becomes of the arguments before Hydra reads them.
    """
    args = ordered(sys.argv[1:])
    if {"-h", "--help"} & set(args):
        sys.stdout.write(help_text(verb))
        return
    with plain_errors():
        sys.argv[1:] = args if prepare is None else prepare(args)
        run()


def settled(cfg: DictConfig) -> DictConfig:
    """The configuration with what only Hydra knows written down, for processes without Hydra."""
    cfg.name = str(cfg.name)
    for key in PATHS & set(cfg):
        if isinstance(cfg[key], int | float):  # a folder called 22, or nan
            cfg[key] = str(cfg[key])
    cfg.paths.run = str(Path(cfg.paths.run).absolute())
    return cfg
