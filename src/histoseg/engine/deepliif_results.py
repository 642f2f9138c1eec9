"""What DeepLIIF itself writes of an image: pictures, counts and drawings under its names."""

from __future__ import annotations

from pathlib import Path

from histoseg.contracts import Prediction
from histoseg.engine.scored_cells import score_pictures, write_scored
from histoseg.ops.deepliif_names import their_name
from histoseg.postprocess import DeepLIIFCells
from histoseg.writers import needs, write_png

SEG = "seg"
ALONE = f"{SEG}_"


@needs("stains", whole=True)
def write_deepliif(folder: Path, prediction: Prediction, *, cells: DeepLIIFCells) -> list[Path]:
    """Write an image's results as ``deepliif test`` does, beside each other and not in subfolders.

    The cells are read off the pictures that are written, so that counting these again gives the
    same.

    Args:
        folder: Of all results; the files are ``{name}_Hema.png``, ``{name}_Seg.png`` and so on,
            ``{name}_IHC_s.png`` of single segmenters; with cells ``{name}_SegOverlaid.png``,
            ``{name}_SegRefined.png`` and ``{name}.json``.
        prediction: Of an image, with pictures by our names of stains.
        cells: How cells are found and counted.

    Returns:
        The files.

    Raises:
        OSError: If one cannot be written.
        ValueError: If a threshold lacks its picture.
    """
    stains, name = prediction.stains, prediction.name
    files = [
        write_png(folder / f"{name}_{_called(stain)}.png", picture)
        for stain, picture in stains.items()
    ]
    if SEG not in stains:
        return files
    scored = score_pictures(
        cells,
        prediction,
        stains[SEG],
        marker=stains.get(cells.marker),
        original=prediction.image,
    )
    return files + write_scored(folder, name, scored)


def _called(stain: str) -> str:
    if stain.startswith(ALONE):  # what one segmenter says
        return f"{their_name(stain.removeprefix(ALONE))}_s"
    return their_name(stain)
