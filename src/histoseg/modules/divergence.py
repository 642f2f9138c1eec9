"""What is said of a training that left the numbers."""

from __future__ import annotations

from typing import Any

from histoseg.errors import NonFiniteLossError


def diverged(module: Any, what: str, batch: str) -> NonFiniteLossError:
    """Make the error of a loss or of weights that are not finite.

    Args:
        module: A `Module` in training.
        what: What is not finite.
        batch: Names of its images.
    """
    return NonFiniteLossError(
        f"{what} at step {module.global_step} (epoch {module.current_epoch}); "
        f"last finite loss: {module.last_finite_loss}; batch: {batch}. "
        "Checkpoints of earlier epochs are kept: look at those files, then lower "
        "model.optimizer.lr, set trainer.gradient_clip_val=1 or trainer.precision=32-true, "
        "and go on with resume=<run>"
    )
