"""GeoJSON of 50,000 nuclei: the writer against a plain loop with cv2 and the json of Python.

Both start from the same contours.
"""

import json
import tempfile
import uuid
from pathlib import Path

import cv2
import numpy as np
from _cases import report, seconds

from histoseg.contracts import Instances, Prediction
from histoseg.writers import write_geojson

COUNT = 50_000
GOAL_SECONDS = str(COUNT * 30 / 1_000_000)  # a slide with a million nuclei in half a minute
CLASSES = ("neoplastic", "inflammatory", "connective")
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


def synthetic(count: int) -> Prediction:
    """Ellipses of 6-12 px radius, each at a place of its own in a large empty frame."""
    rng = np.random.default_rng(0)
    shapes = []
    for _ in range(200):
        canvas = np.zeros((40, 40), np.uint8)
        axes = tuple(int(a) for a in rng.integers(6, 13, 2))
        cv2.ellipse(canvas, (20, 20), axes, float(rng.integers(180)), 0, 360, 1, -1)
        found, _ = cv2.findContours(canvas, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        shapes.append(found[0][:, 0])
    places = rng.integers(0, 100_000, (count, 1, 2), dtype=np.int32)
    contours = tuple(shapes[i % 200] + place for i, place in enumerate(places))
    instances = Instances(
        labels=np.zeros((1, 1), np.int32),
        ids=np.arange(1, count + 1, dtype=np.int32),
        semantic=rng.integers(1, 4, count).astype(np.int32),
        score=rng.random(count, dtype=np.float32),
        centroid_xy=places[:, 0] + 20.0,
        box_xyxy=np.concatenate([places[:, 0], places[:, 0] + 40], axis=1),
        contour_xy=contours,
    )
    return Prediction("slide", np.zeros((1, 1, 3), np.uint8), instances, CLASSES, COLOURS, 0.25)


def plain_loop(path: Path, prediction: Prediction) -> None:
    features = []
    found = prediction.instances
    for i in range(len(found)):
        contour = found.contour_xy[i]
        ring = (contour + 0.5).tolist()
        ring.append(ring[0])
        kind = int(found.semantic[i]) - 1
        properties = {
            "objectType": "detection",
            "classification": {"name": CLASSES[kind], "color": list(COLOURS[kind])},
            "measurements": {
                "Probability": float(found.score[i]),
                "Area µm^2": cv2.contourArea(contour) * 0.0625,
                "Perimeter µm": cv2.arcLength(contour, True) * 0.25,
            },
        }
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append(
            {
                "type": "Feature",
                "id": str(uuid.uuid4()),
                "geometry": geometry,
                "properties": properties,
            }
        )
    with path.open("w") as file:
        json.dump({"type": "FeatureCollection", "features": features}, file)


def main() -> None:
    prediction = synthetic(COUNT)
    with tempfile.TemporaryDirectory() as folder:
        (plain,) = seconds(
            lambda: plain_loop(Path(folder) / "plain.geojson", prediction), repeats=1
        )
        (ours,) = seconds(lambda: write_geojson(Path(folder), prediction), repeats=3)
    report("GeoJSON of 50,000 nuclei", plain, ours, "s", goal=GOAL_SECONDS)


if __name__ == "__main__":
    main()
