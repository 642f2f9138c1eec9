from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from histoseg.contracts import Predicted
from histoseg.writers.batches import at_full_size, batches
from histoseg.writers.files import result_path
from histoseg.writers.sedeen_session import quoted, sedeen_session

UNCLASSIFIED = (255, 255, 0)


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
    with sedeen_session(path, prediction.name, (height, width), mpp) as file:
        for graphic in _graphics(prediction):
            file.write(graphic.encode())
    return path


def _graphics(prediction: Predicted) -> Iterator[str]:
    names = [quoted(name) for name in ("", *prediction.classes)]
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
