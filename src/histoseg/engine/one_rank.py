"""One rank of a run, started by `ranks`: its configuration and the process to end with."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from typing import cast

from omegaconf import DictConfig, OmegaConf

from histoseg.engine.plain_errors import plain_errors
from histoseg.engine.predict import predict
from histoseg.engine.ranks import rank
from histoseg.engine.train import train


def main() -> None:
    """Train or predict as the rank that the environment says."""
    verb, recipe, parent = sys.argv[1:]
    threading.Thread(target=_end_with, args=(int(parent),), daemon=True).start()
    logging.basicConfig(level=logging.INFO if rank() == 0 else logging.WARNING)
    cfg = cast(DictConfig, OmegaConf.load(recipe))
    with plain_errors():
        train(cfg) if verb == "train" else predict(cfg)


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, so that a killed run leaves nothing behind."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    main()
