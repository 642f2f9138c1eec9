"""``histoseg patches``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from histoseg.cli.conf import CONF
from histoseg.cli.start import settled, start
from histoseg.errors import UnreadableFileError


@hydra.main(version_base="1.3", config_path=CONF, config_name="patches")
def run(cfg: DictConfig) -> None:
    """Cut a data set into patches.

    Raises:
        UnreadableFileError: After all images, if some of them could not be cut.
    """
    from histoseg.engine.patches import extract_patches

    failed = extract_patches(settled(cfg))
    if failed:
        raise UnreadableFileError(
            "\n  ".join([f"{len(failed)} images failed, the others are done:", *failed])
        )


def main() -> None:
    """Read the command line and cut."""
    start("patches", run)
