from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from histoseg.contracts import Array, Prediction
from histoseg.ops.run_lengths import column_counts, encode_counts
from histoseg.writers.files import result_path, whole_file


def write_coco(folder: Path, prediction: Prediction) -> Path:
    """Write the nuclei as COCO instance annotations of one image.

    Masks are compressed run lengths, which keep every pixel, holes and separate parts too.
    ``score`` stands beside the usual keys, and "color" in each category. ``file_name`` is the name
    of the image without suffix. A nucleus without class has category 0, "nucleus".

    Args:
        folder: Of all results; the file is ``coco/{name}.json`` below it.
        prediction: Of one image.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
    """
    path = result_path(folder, prediction.name, "coco", ".json")
    height, width = prediction.image.shape[:2]
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


def _annotations(prediction: Prediction) -> Iterator[dict[str, Any]]:
    found, (height, width) = prediction.instances, prediction.image.shape[:2]
    kinds = found.semantic if prediction.classes else np.zeros_like(found.semantic)
    rows = zip(
        found.ids.tolist(),
        found.box_xyxy.tolist(),
        kinds.tolist(),
        found.score.astype(np.float64).round(6).tolist(),
        strict=True,
    )
    for key, (x0, y0, x1, y1), kind, score in rows:
        mask: Array = found.labels[y0:y1, x0:x1] == key
        counts = column_counts(mask, (x0, y0), (height, width))
        yield {
            "id": key,
            "image_id": 1,
            "category_id": kind,
            "segmentation": {"size": [height, width], "counts": encode_counts(counts)},
            "area": int(mask.sum()),
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "iscrowd": 0,
            "score": score,
        }
