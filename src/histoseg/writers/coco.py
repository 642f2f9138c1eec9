from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from histoseg.contracts import Array, Predicted, Prediction
from histoseg.ops.run_lengths import column_counts, encode_counts
from histoseg.ops.shapes import measure_shapes
from histoseg.writers.batches import Batch, batches
from histoseg.writers.files import result_path, whole_file


def write_coco(folder: Path, prediction: Predicted) -> Path:
    """Write the nuclei as COCO instance annotations of one image.

    Masks of an image are compressed run lengths, which keep every pixel, holes and separate parts
    too. Those of a slide are polygons along pixel edges, at the resolution of the model: run
    lengths count the pixels of the whole slide, which COCO's own code cannot beyond 2^32.
    ``score`` stands beside the usual keys, and "color" in each category. ``file_name`` is the name
    of the image without suffix. A nucleus without class has category 0, "nucleus".

    Args:
        folder: Of all results; the file is ``coco/{name}.json`` below it.
        prediction: Of an image or slide.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
    """
    path = result_path(folder, prediction.name, "coco", ".json")
    height, width = prediction.size
    name = prediction.name.encode("utf-8", "replace").decode()
    categories: list[dict[str, Any]] = [{"id": 0, "name": "nucleus"}]
    rows = zip(prediction.classes, prediction.colours, strict=True)
    categories += [{"id": k, "name": n, "color": list(c)} for k, (n, c) in enumerate(rows, start=1)]
    image = {"id": 1, "file_name": name, "height": height, "width": width}
    with whole_file(path) as file:
        file.write(b'{"images":' + orjson.dumps([image]))
        file.write(b',\n"categories":' + orjson.dumps(categories) + b',\n"annotations":[')
        before = b"\n"
        for annotation in _annotations(prediction):
            file.write(before + orjson.dumps(annotation))
            before = b",\n"
        file.write(b"\n]}\n")
    return path


def _annotations(prediction: Predicted) -> Iterator[dict[str, Any]]:
    for batch in batches(prediction):
        nuclei = batch.nuclei
        rows = zip(
            nuclei.ids.tolist(),
            nuclei.box_xyxy.tolist(),
            nuclei.semantic.tolist() if prediction.classes else [0] * len(nuclei),
            nuclei.score.astype(np.float64).round(6).tolist(),
            _masks(batch, prediction) if isinstance(prediction, Prediction) else _polygons(batch),
            strict=True,
        )
        for key, (x0, y0, x1, y1), kind, score, (segmentation, area) in rows:
            yield {
                "id": key,
                "image_id": 1,
                "category_id": kind,
                "segmentation": segmentation,
                "area": area,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "iscrowd": 0,
                "score": score,
            }


def _masks(batch: Batch, prediction: Prediction) -> Iterator[tuple[Any, float]]:
    height, width = prediction.size
    for key, (x0, y0, x1, y1) in zip(
        batch.nuclei.ids.tolist(), batch.nuclei.box_xyxy.tolist(), strict=True
    ):
        mask: Array = prediction.instances.labels[y0:y1, x0:x1] == key
        counts = column_counts(mask, (x0, y0), (height, width))
        yield {"size": [height, width], "counts": encode_counts(counts)}, int(mask.sum())


def _polygons(batch: Batch) -> Iterator[tuple[Any, float]]:
    area = measure_shapes(batch.contours, batch.rings).area.tolist()
    for (start, end), size in zip(pairwise(batch.rings.offsets.tolist()), area, strict=True):
        yield [batch.rings.points_xy[start : end - 1].ravel().tolist()], size
