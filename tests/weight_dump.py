"""A callback of the tests: what does each rank hold at the end?"""

from pathlib import Path

import pytorch_lightning as pl
import torch


class WeightDump(pl.Callback):
    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        torch.save(pl_module.state_dict(), self.folder / f"rank{trainer.global_rank}.pt")
