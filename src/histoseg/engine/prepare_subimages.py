"""From marked stacks to crops that can be trained on."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from histoseg.errors import UnreadableFileError
from histoseg.prepare.subimage_files import REPORT, SubimageFolder
from histoseg.prepare.subimages import Subimages

log = logging.getLogger(__name__)


def prepare_subimages(cfg: DictConfig) -> dict[str, Any]:
    """Cut all marked regions and write ``FullImage``, ``Mask_Norm``, ``codes.txt`` and a manifest.

    Args:
        cfg: Composed from ``conf/prepare.yaml``, with a recipe that has ``crops``.

    Returns:
        ``crops`` and ``negatives``: how many.

    Raises:
        DatasetNotFoundError: If nothing is marked.
        ContractError: If the output folder holds files that this command did not write.
        UnreadableFileError: After all stacks, if some cannot be read.
    """
    crops: Subimages = instantiate(cfg.prepare.crops)
    stacks, folder = crops.find(), SubimageFolder(Path(cfg.output))
    failed: list[tuple[Path, str]] = []
    for path in tqdm(stacks, unit="stack", disable=not sys.stderr.isatty()):
        try:
            for one in crops.cut(path):
                folder.write(one)
        except UnreadableFileError as error:
            failed.append((path, str(error)))
    folder.finish(list(cfg.data.classes), failed)
    log.info("%d crops, %d without cells: %s", len(folder.rows), folder.negatives, folder.root)
    if failed:
        whys = "; ".join(why for _, why in failed[:3])
        raise UnreadableFileError(
            f"{len(failed)} of {len(stacks)} stacks failed: {whys}. All else is in {folder.root}, "
            f"all reasons in its {REPORT}. Mend them and run the command again"
        )
    return {"crops": len(folder.rows), "negatives": folder.negatives}
