from __future__ import annotations

from pathlib import Path

import numpy as np

from histoseg.contracts import Predicted, Prediction
from histoseg.writers.files import result_path
from histoseg.writers.needs import needs
from histoseg.writers.picture import write_png
from histoseg.writers.pyramid_tiff import Compression, write_pyramid_tiff

WHITE = (255, 255, 255)


@needs("stains")
def write_stains(
    folder: Path, prediction: Predicted, *, compression: Compression = "deflate"
) -> list[Path]:
    """Write what an image was translated to: PNG; of a slide tiled pyramidal OME-TIFF, RGB.

    A slide's pictures have the resolution of the model, which their PhysicalSize says. Where no
    tile ran they have the background colour that the model states, or white.

    Args:
        folder: Of all results; the files are ``stains/{name}_{stain}.png`` below it, of a slide
            ``.ome.tif``.
        prediction: Of an image or slide.
        compression: Of a TIFF: ``deflate`` or ``zstd``.

    Returns:
        The files, one for each picture.

    Raises:
        OSError: If one cannot be written.
    """
    name = prediction.name
    if isinstance(prediction, Prediction):
        return [
            write_png(result_path(folder, f"{name}_{stain}", "stains", ".png"), picture)
            for stain, picture in prediction.stains.items()
        ]
    return [
        write_pyramid_tiff(
            result_path(folder, f"{name}_{stain}", "stains", ".ome.tif"),
            prediction.size,
            parts(),
            dtype=np.uint8,
            name=f"{name} {stain}",
            mpp=prediction.mpp,
            background=prediction.backgrounds.get(stain, WHITE),
            compression=compression,
        )
        for stain, parts in prediction.stain_parts.items()
    ]
