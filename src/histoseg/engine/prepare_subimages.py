"""From marked stacks to crops that can be trained on."""

from __future__ import annotations

import csv
import hashlib
import io
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tifffile
from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from histoseg.errors import ContractError, UnreadableFileError
from histoseg.prepare.subimages import Subimage, Subimages
from histoseg.writers.files import whole_file
from histoseg.writers.picture import write_gray

log = logging.getLogger(__name__)
MANIFEST, REPORT = "manifest.csv", "report.csv"


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
    stacks, root = crops.find(), Path(cfg.output)
    _clear(root)
    rows: list[list[Any]] = []
    failed: list[list[Any]] = []
    for path in tqdm(stacks, unit="stack", disable=not sys.stderr.isatty()):
        try:
            for one in crops.cut(path):
                rows.append(_written(root, one))
        except UnreadableFileError as error:
            failed.append([path, error])
    names = ["Background", *(str(name).capitalize() for name in cfg.data.classes)]
    (root / "codes.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    header = "crop,source,label,left,top,right,bottom,cell_pixels,image_sha256".split(",")
    _write_csv(root / MANIFEST, header, rows)
    _write_csv(root / REPORT, ["file", "why"], failed)
    empty = sum(row[-2] == 0 for row in rows)
    log.info("%d crops, %d without cells: %s", len(rows), empty, root)
    if failed:
        whys = "; ".join(str(why) for _, why in failed[:3])
        raise UnreadableFileError(
            f"{len(failed)} of {len(stacks)} stacks failed: {whys}. All else is in {root}, all "
            f"reasons in its {REPORT}. Mend them and run the command again"
        )
    return {"crops": len(rows), "negatives": empty}


def _clear(root: Path) -> None:
    """Remove what an earlier call wrote, which its manifest names; refuse what it did not."""
    there = [p for p in root.rglob("*") if p.is_file() and p.name[0] != "."] if root.is_dir() else []
    known = {root / name for name in (MANIFEST, REPORT, "codes.txt")}
    if (root / MANIFEST).is_file():
        with (root / MANIFEST).open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                known |= set(_files(root, row["crop"]))
    if foreign := [path for path in there if path not in known]:
        raise ContractError(
            f"{root} holds files that `histoseg prepare` did not write, such as {foreign[0]}; name "
            "an empty or new folder: output=<folder>"
        )
    for path in there:
        path.unlink()
    root.mkdir(parents=True, exist_ok=True)


def _files(root: Path, name: str) -> tuple[Path, Path]:
    return root / "FullImage" / f"{name}.tif", root / "Mask_Norm" / f"{name}.png"


def _written(root: Path, one: Subimage) -> list[Any]:
    image, mask = _files(root, one.name)
    image.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(image) as file:
        tifffile.imwrite(file, one.planes, photometric="minisblack", metadata={"axes": "CYX"})
    write_gray(mask, one.mask)
    digest = hashlib.sha256(one.planes.tobytes()).hexdigest()
    return [one.name, one.source, *one.box, int((one.mask > 0).sum()), digest]


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    with whole_file(path) as file:
        file.write(text.getvalue().encode())
