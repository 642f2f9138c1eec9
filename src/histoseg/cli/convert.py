"""``histoseg convert``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from histoseg.cli.conf import CONF
from histoseg.cli.start import start
from histoseg.errors import UnreadableFileError


@hydra.main(version_base="1.3", config_path=CONF, config_name="convert")
def run(cfg: DictConfig) -> None:
    """Turn files of nuclei into others.

    Raises:
        UnreadableFileError: After all files, if some of them could not be read.
    """
    from histoseg.engine.convert import convert

    rows = convert(cfg)
    failed = [f"\n  {row['error']}" for row in rows if row["state"] != "done"]
    if failed:
        raise UnreadableFileError(
            f"{len(failed)} of {len(rows)} pictures failed, the others are done:{''.join(failed)}"
        )


def main() -> None:
    """Read the command line and convert."""
    start("convert", run)
