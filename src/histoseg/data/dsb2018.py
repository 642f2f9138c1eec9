from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from histoseg.contracts import Array, Place, Record
from histoseg.data.file_dataset import FileDataset, OnError, check_same_size
from histoseg.data.splits import FRACTIONS, split_items
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.slides import read_image


class DSB2018(FileDataset):
    """2018 Data Science Bowl (BBBC038): nuclei in pictures of many kinds, without classes.

    One mask file is one nucleus. Where two overlap, the file later in the alphabet wins.

    Args:
        root: Folder of image folders, such as ``stage1_train``:
            ``<id>/images/<id>.png`` and ``<id>/masks/*.png``.
        split: "train", "val", "test" (the keys of ``fractions``); None for all images.
        fractions: Share of the images in each split. Each image is its own group.
        seed: Of the partition into splits.
        split_file: JSON that keeps the partition; written when absent, else read and checked.
        mpp: Micrometres per pixel, where known; the source does not say. ``place`` has NaN else.
        on_error: As in `FileDataset`.

    Raises:
        DatasetNotFoundError: If ``root`` holds no image folders.
        ContractError: If ``split_file`` does not describe the files any more.

    Source:
        Caicedo et al. 2019, Nature Methods 16:1247.
    """

    provides: ClassVar[frozenset[str]] = frozenset({"image", "instances", "place"})

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
        fractions: Mapping[str, float] = FRACTIONS,
        seed: int = 0,
        split_file: str | Path | None = None,
        mpp: float | None = None,
        on_error: OnError = "raise",
    ) -> None:
        self.root = Path(root)
        self.mpp = float("nan") if mpp is None else mpp
        groups = {name: name for name in _names(self.root)}
        keep = None if split_file is None else Path(split_file)
        super().__init__(split_items(groups, split, fractions, seed, keep), on_error)

    def read(self, name: str) -> Record:
        """Read an image and paint its masks into one map: see `FileDataset.read`."""
        # labels lie on the pixels as stored: an EXIF rotation would part the two
        image = read_image(_picture(self.root / name / "images", name), upright=False)
        instances = np.zeros(image.shape[:2], dtype=np.int32)
        folder = self.root / name / "masks"
        masks = sorted(p for p in folder.glob("*.[pP][nN][gG]") if not p.name.startswith("."))
        if not masks:
            raise UnreadableFileError(
                f"{self.root / name / 'masks'} holds no PNG; every image of stage1_train has masks "
                "(the images of stage1_test have none and cannot be used here)"
            )
        for number, path in enumerate(masks, start=1):
            mask = _mask(path)
            check_same_size(name, image.shape, mask.shape, f"mask {path.name}")
            instances[mask > 0] = number
        return Record(image=image, instances=instances, place=Place(name, 0, 0, self.mpp))


def _names(root: Path) -> list[str]:
    folders = [path.parent.name for path in root.glob("*/images")] if root.is_dir() else []
    # macOS packs a folder of its own beside them, with a shadow of each file
    names = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
    if not names:
        raise DatasetNotFoundError(
            f"no <id>/images/<id>.png in {root}. Run `histoseg prepare data=dsb2018`; or get "
            "stage1_train.zip of BBBC038 from https://bbbc.broadinstitute.org/BBBC038 (CC0), unzip "
            "it, and set data.dataset.root to the folder that holds the <id> folders"
        )
    return names


def _picture(folder: Path, name: str) -> Path:
    upper = folder / f"{name}.PNG"
    return upper if upper.is_file() else folder / f"{name}.png"


# 16 bits stay 16 (as 8, a 255 of 65535 would vanish), and an EXIF rotation is left alone
AS_STORED = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION


def _mask(path: Path) -> Array:
    data = np.fromfile(path, dtype=np.uint8)
    mask: Array | None = cv2.imdecode(data, AS_STORED) if data.size else None
    if mask is None:
        raise UnreadableFileError(f"{path} is not a readable PNG; fetch it again")
    return mask
