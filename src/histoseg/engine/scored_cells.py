"""One Seg picture or file of cell records -> its cells, counts and drawings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from histoseg.annotations import read_cell_records
from histoseg.contracts import Array, Instances, Nuclei, Predicted, Prediction, SlidePrediction
from histoseg.engine.seg_files import SegFiles
from histoseg.errors import ContractError, UnreadableFileError
from histoseg.ops.ihc_scoring import IHCScoring
from histoseg.ops.seg_colours import unlike_seg
from histoseg.postprocess import DeepLIIFCells, FoundCells
from histoseg.postprocess.deepliif_cells import LARGEST
from histoseg.postprocess.deepliif_drawing import class_mask, filled, overlay, refined
from histoseg.postprocess.deepliif_pixels import CLASSES
from histoseg.slides.image import read_image
from histoseg.writers import write_ihc_scoring, write_png

COLOURS = ((255, 0, 0), (0, 0, 255))


@dataclass(frozen=True)
class ScoredCells:
    """What is known of one image.

    Attributes:
        scoring: Counts and thresholds.
        counted: The cells that count, with their classes.
        above_noise: All cells above noise, with the classes of their colours.
        settings: Of cell records.
        original: (H, W, 3), uint8; None where there is none.
        mask: (H, W), uint8: `class_mask`; None where the size of the image is unknown.
    """

    scoring: IHCScoring
    counted: Predicted
    above_noise: Predicted
    settings: Mapping[str, Any]
    original: Array | None = None
    mask: Array | None = None


def score_cells(
    files: SegFiles, cells: DeepLIIFCells, foreign: float, mpp: float | None
) -> ScoredCells:
    """Find, or take from records, the cells of an image and count them.

    Args:
        files: Of the image.
        cells: With the thresholds.
        foreign: Share of pixels of a Seg picture that may be of no class's colour.
        mpp: Micrometres per pixel.

    Raises:
        ContractError: If a Seg picture is none, sizes differ, or a threshold lacks its picture.
        UnreadableFileError: If a file cannot be read.
    """
    original = None if files.original is None else read_image(files.original)
    if files.records:
        return _of_records(files, cells, original, mpp)
    return _of_picture(files, cells, original, (foreign, mpp))


def _of_picture(
    files: SegFiles, cells: DeepLIIFCells, original: Array | None, given: tuple[float, float | None]
) -> ScoredCells:
    foreign, mpp = given
    seg = read_image(files.source)
    _refuse_other_colours(seg, files.source, foreign)
    marker = None if files.marker is None else read_image(files.marker)
    for path, picture in ((files.marker, marker), (files.original, original)):
        if picture is not None and picture.shape != seg.shape:
            raise ContractError(
                f"{path} is {_size(picture)} px, {files.source} {_size(seg)}: they are of different"
                " images, or one was resized; give the right one by marker= or original="
            )
    _refuse_without(files, cells)
    return score_pictures(
        cells,
        Prediction(
            files.name, seg if original is None else original, Instances.none(*seg.shape[:2]),
            CLASSES, COLOURS, mpp, source=files.original or files.source,
        ),
        seg,
        marker=marker,
        original=original,
    )  # fmt: skip


def score_pictures(
    cells: DeepLIIFCells,
    image: Prediction,
    seg: Array,
    *,
    marker: Array | None = None,
    original: Array | None = None,
) -> ScoredCells:
    """Find the cells of a Seg picture and count them.

    Args:
        cells: With the thresholds.
        image: What is known of the image besides its cells.
        seg: (H, W, 3), uint8.
        marker: Marker picture, likewise.
        original: Brightfield picture, likewise.

    Raises:
        ValueError: If a threshold lacks its picture.
    """
    found = cells.find_in(seg, marker, original)
    calls = cells.settle([found.nuclei()], found.marker_counts)
    called = cells.called(found, calls)
    keep = calls.keep(found.measures)
    measures = {name: values[keep] for name, values in found.measures.items()}
    return ScoredCells(
        scoring=calls.scoring(called.semantic, cells.seg_thresh),
        counted=replace(image, instances=called, measures=measures),
        above_noise=replace(image, instances=found.instances, measures=found.measures),
        settings=_settings(cells, found),
        original=original,
        mask=class_mask(called.labels, called.semantic, found.covered),
    )


def write_scored(folder: Path, name: str, scored: ScoredCells) -> list[Path]:
    """Write counts and drawings under the original's names.

    Args:
        folder: Of all results; the files are ``{name}.json`` and, where there is a mask,
            ``{name}_SegRefined.png`` and ``{name}_SegOverlaid.png`` in it.
        name: Of the image.
        scored: Of the image.

    Raises:
        OSError: If one cannot be written.
    """
    files = [write_ihc_scoring(folder / f"{name}.json", scored.scoring)]
    if scored.mask is not None:
        files.append(write_png(folder / f"{name}_SegRefined.png", refined(scored.mask)))
        if scored.original is not None:
            drawn = overlay(scored.original, scored.mask)
            files.append(write_png(folder / f"{name}_SegOverlaid.png", drawn))
    return files


def _of_records(
    files: SegFiles, cells: DeepLIIFCells, original: Array | None, mpp: float | None
) -> ScoredCells:
    records = read_cell_records(files.source)
    everything, settings = records.nuclei, records.settings
    if cells.marker_thresh == "default":
        cells = replace(cells, marker_thresh=_stored_marker(settings, files.source))
    calls = cells.settle([everything])
    needed = [n for n, needs in (("marker", calls.marker_thresh is not None),
                                 ("od", cells.uses_density)) if needs]  # fmt: skip
    for name in needed:
        if name not in everything.measures:
            raise ContractError(
                f"{files.source}: its cells have no {name}, so a threshold of it says nothing;"
                f" they have {', '.join(everything.measures)}"
            )
    counted = calls(everything)
    size, mask = _extent(everything), None
    if original is not None:
        if (everything.box_xyxy[:, 2:] > original.shape[1::-1]).any():
            raise ContractError(
                f"cells of {files.source} lie outside {files.original} ({_size(original)} px): it"
                " is another image; give the right one by original="
            )
        size = (original.shape[0], original.shape[1])
        labels = filled(everything, size)
        kept = labels * np.isin(labels, counted.ids)
        mask = class_mask(kept, counted.semantic, labels > 0)
    seg_thresh = settings.get("seg_thresh")
    return ScoredCells(
        scoring=calls.scoring(counted.semantic, seg_thresh),
        counted=_streamed(files, size, counted, mpp),
        above_noise=_streamed(files, size, everything, mpp),
        settings=settings,
        original=original,
        mask=mask,
    )


def _refuse_other_colours(seg: Array, path: Path, foreign: float) -> None:
    share = unlike_seg(seg)
    if share > foreign:
        raise ContractError(
            f"{path}: {100 * share:.1f} % of its pixels are no red (positive), blue (negative),"
            f" green (border) or black, expected at most {100 * foreign:g} %: it is no Seg picture"
            " (foreign= allows more)"
        )


def _refuse_without(files: SegFiles, cells: DeepLIIFCells) -> None:
    if cells.marker_thresh is not None and files.marker is None:
        raise ContractError(
            f"{files.source}: cells.marker_thresh needs the marker picture, and there is no"
            f" {files.name}_Marker.png or {files.name}_mod4-Marker.png beside it; give marker="
        )
    if cells.uses_density and files.original is None:
        raise ContractError(
            f"{files.source}: cells.od_thresh_* need the brightfield picture, and there is no"
            f" {files.name}.png beside it; give original="
        )


def _stored_marker(settings: Mapping[str, Any], path: Path) -> int:
    value = settings.get("default_marker_thresh")
    if not isinstance(value, int):
        raise UnreadableFileError(
            f"{path} does not say default_marker_thresh: give a number, cells.marker_thresh=150"
        )
    return value


def _settings(cells: DeepLIIFCells, found: FoundCells) -> dict[str, Any]:
    """What records say: how cells were found, and the thresholds that are the default of them."""
    marker: Literal["default"] | None = None if found.marker_counts is None else "default"
    default = DeepLIIFCells(resolution=cells.resolution, marker_thresh=marker)
    calls = default.settle([found.nuclei()], found.marker_counts)
    large = cells.large_noise_thresh
    return {
        "default_size_thresh": calls.size_thresh,
        "noise_thresh": cells.noise_thresh,
        "large_noise_thresh": LARGEST[cells.resolution] if large == "default" else large,
        "seg_thresh": cells.seg_thresh,
        "default_marker_thresh": calls.marker_thresh,
    }


def _streamed(
    files: SegFiles, size: tuple[int, int], nuclei: Nuclei, mpp: float | None
) -> SlidePrediction:
    return SlidePrediction(
        files.name, size, lambda: iter([nuclei]),
        classes=CLASSES, colours=COLOURS, mpp=mpp, source=files.original,
    )  # fmt: skip


def _extent(nuclei: Nuclei) -> tuple[int, int]:
    width, height = nuclei.box_xyxy[:, 2:].max(axis=0, initial=1).tolist()
    return height, width


def _size(picture: Array) -> str:
    return f"{picture.shape[1]} x {picture.shape[0]}"
