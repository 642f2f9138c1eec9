"""A fold of PanNuke's size, 2,700 tiles of 256 x 256, scored from masks.npy to the full report.

The baseline is PanNuke's metric written plainly, one mask a nucleus: PQ of all nuclei and of each
class. Its numbers are asserted to be ours on the tiles that it is timed on. The fold repeats
different tiles, in bytes; PanNuke's own files hold the same numbers in eight bytes each, which
takes a disk longer to deliver.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from _cases import report, seconds
from numpy.typing import NDArray
from omegaconf import OmegaConf

from fakes.discs import discs
from histoseg.data.objects import ObjectArrays, pair
from histoseg.engine.count_pairs import PairReader, count_pairs
from histoseg.metrics.report import report as make_report

SIZE, NUCLEI, FOLD, DIFFERENT, SUBSET, GOAL = 256, 30, 2700, 90, 9, "60"
TISSUES = np.array([f"tissue {i}" for i in range(19)])
SETTINGS = {
    "true_class_map": None, "pred_class_map": None, "mpp": None, "radius": 12, "radius_um": None,
    "on_error": "raise",
}  # fmt: skip


def masks(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Annotation (H, W, 6) and a prediction that misses, shifts and confuses nuclei of it."""
    _, labels = discs(seed, SIZE, SIZE, NUCLEI, radius=8)
    rng = np.random.default_rng(seed)
    true, pred = np.zeros((2, SIZE, SIZE, 6), dtype=np.uint8)
    for number in range(1, NUCLEI + 1):
        kind = int(rng.choice(5, p=[0.4, 0.2, 0.25, 0.02, 0.13]))
        true[labels == number, kind] = number
        if rng.random() < 0.85:
            shift = tuple(rng.integers(-3, 4, 2))
            pred[np.roll(labels == number, shift, (0, 1)), rng.choice([kind, rng.integers(5)])] = (
                number
            )
    for side in (true, pred):
        side[..., 5] = ~side[..., :5].any(axis=-1)
    return true, pred


def write_fold(folder: Path) -> None:
    tiles = [masks(seed) for seed in range(DIFFERENT)]
    for side, name in enumerate(("true", "pred")):
        (folder / name).mkdir()
        shape = (FOLD, SIZE, SIZE, 6)
        path = folder / name / "masks.npy"
        fold = np.lib.format.open_memmap(path, "w+", dtype=np.uint8, shape=shape)
        for i in range(FOLD):
            fold[i] = tiles[i % DIFFERENT][side]
        np.save(folder / name / "types.npy", TISSUES[np.arange(FOLD) % len(TISSUES)])


def plain_pq(true: NDArray[np.int64], pred: NDArray[np.int64]) -> float:
    """PQ of two maps: every nucleus as a mask, every pair that meets measured on masks."""
    trues = [true == key for key in np.unique(true) if key]
    preds = {key: pred == key for key in np.unique(pred) if key}
    if not trues:
        return float("nan")
    hits = []
    for mask in trues:
        for key in np.unique(pred[mask]):
            if key:
                iou = (mask & preds[key]).sum() / (mask | preds[key]).sum()
                hits += [iou] if iou > 0.5 else []
    dq = len(hits) / ((len(trues) + len(preds)) / 2)
    return float(dq * sum(hits) / (len(hits) + 1e-6))


def binarize(planes: NDArray[np.uint8]) -> NDArray[np.int64]:
    merged, number = np.zeros(planes.shape[:2], dtype=np.int64), 0
    for k in range(5):
        for key in np.unique(planes[..., k]):
            if key:
                number += 1
                merged[planes[..., k] == key] = number
    return merged


def plain_scores(folder: Path, subset: range) -> NDArray[np.float64]:
    """bPQ and the PQ of each class, one row a tile."""
    true, pred = (np.load(folder / s / "masks.npy", mmap_mode="r") for s in ("true", "pred"))
    return np.array(
        [
            [
                plain_pq(binarize(true[i]), binarize(pred[i])),
                *(plain_pq(true[i, ..., k], pred[i, ..., k]) for k in range(5)),
            ]
            for i in subset
        ]
    )


def count(folder: Path) -> PairReader:
    sides = [ObjectArrays(folder / name / "masks.npy") for name in ("true", "pred")]
    classes, cfg = sides[0].classes, OmegaConf.create(SETTINGS)
    return PairReader(*sides, pair(*sides), classes, cfg, {})


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_fold(folder)
        (baseline,) = seconds(lambda: plain_scores(folder, range(SUBSET)), repeats=2)
        reader = count(folder)
        start, clock = time.process_time(), time.perf_counter()
        tallies = count_pairs(reader, OmegaConf.create(SETTINGS), {}).stacked(reader.classes)
        made = make_report(tallies, bootstrap=1000)
        spent, waited = time.process_time() - start, time.perf_counter() - clock
        plain = plain_scores(folder, range(SUBSET))
    columns = ["bpq", *(f"pq_{c}" for c in tallies.classes)]
    ours = np.stack([tallies.values[c][:SUBSET] for c in columns], axis=1)
    np.testing.assert_allclose(ours, plain, rtol=0, atol=1e-12)
    assert len(made.images) == FOLD
    per_image = 1000 * spent / FOLD
    report(
        "PQ of a tile, plain; all scores, ours", 1000 * baseline / SUBSET, per_image, "ms", goal=5
    )
    report(f"fold of {FOLD} tiles", baseline / SUBSET * FOLD, spent, "s", goal=GOAL)
    report("the same by the clock", baseline / SUBSET * FOLD, waited, "s", goal=GOAL)


if __name__ == "__main__":
    main()
