"""GeoJSON: the writer against a plain loop with cv2 and the json of Python, then a whole slide.

Both start from the same 50,000 contours. ``python benchmarks/geojson.py slide [packed]`` writes a
million nuclei, a region at a time, and says how long that takes, on the wall and of the processor,
and how much memory; ``slide check`` checks that file, ``slide convert`` turns it into others.
"""

import json
import resource
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from _cases import report, seconds

from histoseg.contracts import Instances, Nuclei, Prediction, SlidePrediction
from histoseg.writers import geojson_problems, write_geojson

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


def slide(count: int = 1_000_000, of_region: int = 10_000) -> SlidePrediction:
    """Regions with as many nuclei each, which are moved copies of one."""
    region = Nuclei.of(synthetic(of_region).instances)

    def parts() -> Iterator[Nuclei]:
        for number in range(count // of_region):
            part = region.shifted(100_000 * (number % 10), 100_000 * (number // 10))
            yield replace(part, ids=part.ids + number * of_region)

    return SlidePrediction(
        "slide", (1_000_000, 1_000_000), parts, classes=CLASSES, colours=COLOURS, mpp=0.25
    )


def of_a_slide(*what: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        start, busy = time.perf_counter(), time.process_time()
        path = write_geojson(Path(folder), slide(), packed="packed" in what)
        said = f"{path.stat().st_size / 1e6:.0f} MB written"
        if "check" in what:
            start, busy = time.perf_counter(), time.process_time()
            said = f"{len(list(geojson_problems(path)))} problems"
        if "convert" in what:
            from hydra import compose, initialize_config_dir

            from histoseg.cli.conf import CONF
            from histoseg.engine.convert import convert

            start, busy = time.perf_counter(), time.process_time()
            with initialize_config_dir(CONF, version_base="1.3"):
                to = f"to=[{','.join(w for w in what if w not in ('convert', 'packed'))}]"
                out = f"output={folder}/out"
                (row,) = convert(compose("convert", [f"input={path}", out, to]))
            said = f"{row['nuclei']} nuclei converted"
        wall, cpu = time.perf_counter() - start, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"1,000,000 nuclei: {said}; {wall:.1f} s, {cpu:.1f} s of a processor, peak {peak:.0f} MiB"
    )


def main() -> None:
    if sys.argv[1:2] == ["slide"]:
        of_a_slide(*sys.argv[2:])
        return
    prediction = synthetic(COUNT)
    with tempfile.TemporaryDirectory() as folder:
        (plain,) = seconds(
            lambda: plain_loop(Path(folder) / "plain.geojson", prediction), repeats=1
        )
        (ours,) = seconds(lambda: write_geojson(Path(folder), prediction), repeats=3)
    report("GeoJSON of 50,000 nuclei", plain, ours, "s", goal=GOAL_SECONDS)


if __name__ == "__main__":
    main()
