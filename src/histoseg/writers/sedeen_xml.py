from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import quoteattr

from histoseg.contracts import Predicted
from histoseg.writers.batches import at_full_size, batches
from histoseg.writers.files import result_path, whole_file

UNCLASSIFIED = (255, 255, 0)
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_sedeen(folder: Path, prediction: Predicted) -> Path:
    """Write the nuclei as polygons for the Sedeen viewer.

    The pen has the colour of the class, the name is the class, the description the probability.
    Outlines run along pixel edges, in pixels of the image, or of the slide at full size, with
    (0, 0) its upper left corner. Holes are not outlined. Sedeen looks for the file beside the
    image, as ``{name}.session.xml``.

    Args:
        folder: Of all results; the file is ``sedeen/{name}.session.xml`` below it.
        prediction: Of an image or slide. Without pixel size, 1 µm is written for a pixel.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.

    Source:
        Files that Sedeen wrote, and the fork for IHC (martellab-sri/Nuclei-HoverNet), which
        writes the probability as description.
    """
    path = result_path(folder, prediction.name, "sedeen", ".session.xml")
    x_scale, y_scale = prediction.scale_xy
    width, height = round(prediction.size[1] * x_scale), round(prediction.size[0] * y_scale)
    mpp = (prediction.mpp or x_scale) / x_scale
    with whole_file(path) as file:
        file.write(
            f'<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<session software="PathCore Session Printer" version="0.1.0">\n'
            f"<image identifier={_quoted(prediction.name)}>\n"
            f"<dimensions>{width},{height}</dimensions>\n"
            f'<pixel-size units="um">{mpp:.6f},{mpp:.6f}</pixel-size>\n'
            f'<transform><translation units="um">0.000000,0.000000</translation>'
            f'<center units="um">{width * mpp / 2:.6f},{height * mpp / 2:.6f}</center>'
            f'<rotation unit="degrees">0.000000</rotation>'
            f"<scale>1.000000,1.000000</scale></transform>\n<overlays>\n".encode()
        )
        for graphic in _graphics(prediction):
            file.write(graphic.encode())
        file.write(b"</overlays>\n</image>\n</session>\n")
    return path


def _graphics(prediction: Predicted) -> Iterator[str]:
    names = [_quoted(name) for name in ("", *prediction.classes)]
    pens = [UNCLASSIFIED, *prediction.colours]
    for nuclei, _, rings in batches(prediction):
        edges = at_full_size(rings.points_xy, prediction)
        rows = zip(
            pairwise(rings.offsets.tolist()),
            nuclei.semantic.tolist() if prediction.classes else [0] * len(nuclei),
            nuclei.score.tolist(),
            strict=True,
        )
        for (first, end), kind, score in rows:
            points = "".join(f"<point>{x},{y}</point>" for x, y in edges[first : end - 1].tolist())
            red, green, blue = pens[kind]
            yield (
                f'<graphic type="polygon" name={names[kind]} description="{score:.4f}">'
                f'<pen color="#{red:02x}{green:02x}{blue:02x}ff" width="3" style="Solid"/>'
                f"<font>Arial;12</font><point-list>{points}</point-list></graphic>\n"
            )


def _quoted(text: str) -> str:
    """As an attribute, with its quotes; what XML cannot hold becomes a question mark."""
    return quoteattr(NOT_XML.sub("?", text))
