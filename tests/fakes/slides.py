"""Small slides of many kinds, written as scanners and programs write them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from fakes.arrays import shrunk
from histoseg.contracts import Array

TILED: dict[str, Any] = {"tile": (64, 48), "compression": "deflate"}
RGB: dict[str, Any] = {"photometric": "rgb", **TILED}
APERIO = "Aperio Image Library v11.2.1\n{w}x{h} (240x240)|AppMag = 40|MPP = 0.2500"


def svs(path: Path, image: Array, factor: int = 4) -> None:
    """An Aperio file; where ``factor`` does not divide the size, OpenSlide's downsample is odd."""
    text = APERIO.format(w=image.shape[1], h=image.shape[0])
    with tifffile.TiffWriter(path) as tif:
        tif.write(image, description=text, metadata=None, **RGB)
        tif.write(image[:9, :9], photometric="rgb", description=f"{text}\nthumb", metadata=None)
        tif.write(shrunk(image, factor), description=text, metadata=None, **RGB)


def ome(path: Path, image: Array, **metadata: Any) -> None:
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(image, subifds=1, metadata={"axes": "YXS", **metadata}, **RGB)
        tif.write(shrunk(image, 2), subfiletype=1, **RGB)


def ome_planes(path: Path, image: Array) -> None:
    options = {"planarconfig": "separate", **RGB}
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(np.moveaxis(image, -1, 0), subifds=1, metadata={"axes": "SYX"}, **options)
        tif.write(np.moveaxis(shrunk(image, 2), -1, 0), subfiletype=1, **options)


def ome_channels(path: Path, image: Array) -> None:
    options = {"photometric": "minisblack", **TILED}
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(np.moveaxis(image, -1, 0), subifds=1, metadata={"axes": "CYX"}, **options)
        tif.write(np.moveaxis(shrunk(image, 2), -1, 0), subfiletype=1, **options)


def pages(path: Path, image: Array) -> None:
    """Levels as pages, as vips and many converters write them, with a picture of the label."""
    with tifffile.TiffWriter(path) as tif:
        tif.write(image, **RGB)
        tif.write(shrunk(image, 2), **RGB)
        tif.write(image[:40, :60], photometric="rgb")


def flat(**options: Any) -> Callable[[Path, Array], None]:
    """A file with one level."""
    return lambda path, image: tifffile.imwrite(path, image, photometric="rgb", **options)
