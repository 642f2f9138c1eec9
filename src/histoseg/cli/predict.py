"""``histoseg predict``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from histoseg.cli.arguments import checkpoint_command
from histoseg.cli.conf import CONF
from histoseg.cli.start import settled, start
from histoseg.errors import UnreadableFileError


@hydra.main(version_base="1.3", config_path=CONF, config_name="predict")
def run(cfg: DictConfig) -> None:
    """Run a checkpoint on slides and images.

    Raises:
        UnreadableFileError: After all of them, if some failed.
    """
    from histoseg.engine.predict import predict

    rows = predict(settled(cfg))
    failed = [f"\n  {row['error']}" for row in rows if row["state"] == "failed"]
    if failed:
        rest = "" if len(failed) == len(rows) else ", the others are done"
        raise UnreadableFileError(
            f"{len(failed)} of {len(rows)} images failed{rest}:{''.join(failed)}"
        )


def main() -> None:
    """Read the command line and predict."""
    start("predict", run, checkpoint_command)
