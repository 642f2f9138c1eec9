"""Pictures of what the model sees and says, while it learns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger
from typing_extensions import override

from histoseg.contracts import Array
from histoseg.writers import (
    Colours,
    enlarged,
    map_pictures,
    outlined,
    panel,
    panels,
    to_uint8,
    write_png,
)


class ImagePanel(pl.Callback):
    """Draw inputs, truth, prediction and maps of the first validation images.

    Args:
        folder: Where ``epoch_<n>.png`` goes; also sent to TensorBoard.
        images: Rows of the panel.
        every_n_epochs: How often; the last epoch is always drawn.
    """

    def __init__(self, folder: str, images: int = 4, every_n_epochs: int = 1) -> None:
        self.folder, self.images, self.every = Path(folder), images, every_n_epochs
        self.rows: list[dict[str, Array]] = []

    @override
    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        missing = self.images - len(self.rows)
        if trainer.sanity_checking or not trainer.is_global_zero or missing <= 0:
            return
        for i in range(min(missing, len(outputs["image"]))):
            self.rows.append(_pictures(outputs, i, pl_module.colours))  # type: ignore[arg-type]

    @override
    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        rows, self.rows = self.rows, []
        epoch, last = trainer.current_epoch, trainer.current_epoch + 1 == trainer.max_epochs
        if not rows or (epoch % self.every and not last):
            return
        pictures = [[enlarged(picture) for picture in row.values()] for row in rows]
        picture = panel(pictures, list(rows[0]))
        write_png(self.folder / f"epoch_{epoch:03d}.png", picture)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image("val", picture, trainer.global_step, dataformats="HWC")


def _pictures(outputs: Mapping[str, Any], i: int, colours: Colours) -> dict[str, Array]:
    """One row of the panel, by title: what the module shows, or all that it returned."""
    if "pictures" in outputs:
        return {title: to_uint8(shown[i]) for title, shown in outputs["pictures"].items()}
    pictures = {title: to_uint8(seen) for title, seen in panels(outputs["image"][i]).items()}
    image = next(iter(pictures.values()))
    for title, prefix in (("truth", ""), ("prediction", "pred_")):
        if f"{prefix}instances" in outputs:
            labels = outputs[f"{prefix}instances"][i].cpu().numpy()
            semantic = outputs.get(f"{prefix}semantic")
            kinds = None if semantic is None else semantic[i].cpu().numpy()
            pictures[title] = outlined(image, labels, kinds, colours)
    made = outputs.get("pred_stains", {})
    for name, stain in made.items():
        if name in outputs.get("stains", {}):
            pictures[name] = to_uint8(outputs["stains"][name][i])
        pictures[f"{name}, made"] = to_uint8(stain[i])
    for name, maps in outputs["maps"].items():
        if name not in made:
            pictures |= map_pictures(name, maps[i].float().cpu().numpy(), colours)
    return pictures
