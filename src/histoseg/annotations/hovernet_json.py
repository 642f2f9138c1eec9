"""HoVer-Net's own JSON of predicted nuclei."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from histoseg.annotations.collect import Collector, as_number, as_score
from histoseg.annotations.drawing import Drawing
from histoseg.annotations.json_file import read_json
from histoseg.errors import UnreadableFileError

OBJECTIVE_MPP = 10.0  # µm per pixel times magnification of a usual scanner: 40 is 0.25 µm


def read_hovernet_json(path: Path) -> Drawing:
    """Read ``{"mag": 40, "nuc": {"1": {"contour": [[x, y], ...], "type": 1, ...}}}``.

    The label is the number of the type, as text; none where it is null or 0. Contours run through
    pixel centres, which are on integers: coordinates are taken as they are, and a contour of a
    single pixel or a line is an object. ``mag`` gives the pixel size as 10 / mag.

    Args:
        path: JSON, plain or packed.

    Returns:
        The nuclei.

    Raises:
        UnreadableFileError: If it is no JSON of this kind.
    """
    return drawing_of(read_json(path), path)


def drawing_of(content: Any, path: Path) -> Drawing:
    """`read_hovernet_json` of parsed JSON; ``path`` is for messages."""
    if not is_hovernet_json(content):
        raise UnreadableFileError(
            f"{path} is not HoVer-Net's JSON: expected a mapping 'nuc' of nuclei"
        )
    found = Collector(origin=0)
    # older releases have no 'nuc': the file itself is the mapping
    for key, nucleus in content.get("nuc", content).items():
        add_nucleus(found, key, nucleus)
    return found.drawing(mpp=mpp_of(content.get("mag")))


def add_nucleus(found: Collector, key: Any, nucleus: Any) -> None:
    """Gather what the nucleus of a key draws."""
    where = f"nucleus {key}"
    if not isinstance(nucleus, dict) or not isinstance(nucleus.get("contour"), list):
        found.drop(where, "it has no contour")
        return
    kind = nucleus.get("type")
    found.polygon(
        where,
        [nucleus["contour"]],
        check=False,
        label=str(kind) if isinstance(kind, int) and kind > 0 else None,
        score=as_score(nucleus.get("type_prob")),
        number=as_number(key),
        detected=True,
    )


def mpp_of(mag: Any) -> float | None:
    """Micrometres per pixel of a magnification; None where it is none."""
    return OBJECTIVE_MPP / mag if isinstance(mag, (int, float)) and mag > 0 else None


def is_hovernet_json(content: Any) -> bool:
    """Whether parsed JSON looks like HoVer-Net's."""
    if not isinstance(content, dict):
        return False
    if "nuc" in content:
        return isinstance(content["nuc"], dict)
    return bool(content) and all(isinstance(v, dict) and "contour" in v for v in content.values())
