"""The checkpoint that a cut run goes on from."""

from __future__ import annotations

from pytorch_lightning.callbacks import ModelCheckpoint


class LastCheckpoint(ModelCheckpoint):
    """A second saver of checkpoints, whatever the settings of the first.

    Lightning tells savers apart by their class and settings, and refuses two that are alike: this
    one and that of the best weights are, where ``callbacks.best.monitor=null`` and low is good.
    """
