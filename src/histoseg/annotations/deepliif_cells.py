"""Cell records and scorings of DeepLIIF."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from histoseg.annotations.json_file import read_json
from histoseg.contracts import Array, Nuclei
from histoseg.errors import UnreadableFileError
from histoseg.ops.cell_records import CellColumns, decode, turned
from histoseg.ops.ihc_scoring import IHCScoring

MEASURE = {3: "marker", 4: "marker", 5: "od", 6: "od"}
"""What each version measures of a cell."""
PACKED = (4, 6)


class CellRecords(NamedTuple):
    """The content of a file of cell records.

    Attributes:
        nuclei: Class 1 is positive, 2 negative, by their colours; measures ``size`` and ``marker``
            or ``od``. Without score: it is 1.
        settings: As they stand in the file: ``default_size_thresh``, ``seg_thresh`` and others.
        version: 3 to 6.
    """

    nuclei: Nuclei
    settings: Mapping[str, Any]
    version: int


def is_cell_records(content: Any) -> bool:
    """Whether parsed JSON is of this kind."""
    return isinstance(content, dict) and {"cells", "dataVersion"} <= content.keys()


def read_cell_records(path: Path) -> CellRecords:
    """Read cell records of versions 3 to 6; 4 and 6 hold a short text for each cell.

    Args:
        path: JSON, plain or packed.

    Returns:
        All cells above noise, with what is needed to count them with other thresholds.

    Raises:
        UnreadableFileError: If it is no such file, or a cell is damaged; says which.
    """
    content = read_json(path)
    if not is_cell_records(content):
        raise UnreadableFileError(f"{path} holds no cell records: expected cells and dataVersion")
    version, cells = content["dataVersion"], content["cells"]
    if version not in MEASURE or not isinstance(cells, list):
        raise UnreadableFileError(f"{path} is of version {version!r}; expected 3, 4, 5 or 6")
    settings = content.get("settings", {})
    try:
        if not isinstance(settings, dict):
            raise TypeError("settings are no mapping")
        columns = decode(cells) if version in PACKED else _columns(cells, MEASURE[version])
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise UnreadableFileError(
            f"{path}: a cell is not as version {version} has it ({error!s}): export it again"
        ) from error
    name = MEASURE[version]
    unmeasured = name == "marker" and settings.get("default_marker_thresh", 0) is None
    return CellRecords(_nuclei(columns, None if unmeasured else name), settings, version)


def read_ihc_scoring(path: Path) -> IHCScoring:
    """Read what DeepLIIF counted on an image, of any version.

    Raises:
        UnreadableFileError: If it is no such file.
    """
    content = read_json(path)
    try:
        if not isinstance(content, dict):
            raise TypeError("no mapping")
        return IHCScoring.from_fields(content)
    except (ValueError, TypeError) as error:
        raise UnreadableFileError(f"{path} holds no scoring of DeepLIIF ({error})") from error


def _columns(cells: list[Any], name: str) -> CellColumns:
    lengths = [len(cell["boundary"]) for cell in cells]
    if not all(lengths):
        raise ValueError(f"cell {lengths.index(0)} has no boundary")
    return CellColumns(
        size=_whole([cell["size"] for cell in cells], ()),
        positive=np.array([cell["positive"] for cell in cells], dtype=np.bool_),
        value=_whole([cell[name] for cell in cells], ()),
        corners=_whole([cell["bbox"] for cell in cells], (2, 2)).reshape(-1, 4),
        centre=_whole([cell["centroid"] for cell in cells], (2,)),
        points_xy=_whole([point for cell in cells for point in cell["boundary"]], (2,)),
        offsets=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
    )


def _whole(values: list[Any], shape: tuple[int, ...]) -> Array:
    found = np.array(values) if values else np.zeros((0, *shape), np.int64)
    if found.dtype.kind not in "iu" or found.shape != (len(values), *shape):
        raise ValueError("expected whole numbers")
    return found.astype(np.int64)


def _nuclei(cells: CellColumns, name: str | None) -> Nuclei:
    """House rows: boxes exclusive, contours against the clock."""
    number = len(cells.size)
    measures = {"size": cells.size} | ({} if name is None else {name: cells.value})
    return Nuclei(
        ids=np.arange(1, number + 1),
        semantic=np.where(cells.positive, 1, 2).astype(np.int32),
        score=np.ones(number, dtype=np.float32),
        centroid_xy=cells.centre.astype(np.float64),
        box_xyxy=cells.corners + np.array([0, 0, 1, 1]),
        points_xy=turned(cells.points_xy, cells.offsets).astype(np.int32),
        offsets=cells.offsets,
        measures=measures,
    )
