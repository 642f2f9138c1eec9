"""Known nuclei through the engine: found whole and in regions they are the truth, pixel by pixel.

``benchmarks/seams.py`` does the same at 8,000 px.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import known
from histoseg.contracts import Array
from histoseg.metrics.functional import overlap

SIDE = 1000


@pytest.fixture(scope="module")
def truth() -> Array:
    return known.nuclei(SIDE)


@pytest.fixture(scope="module")
def slide(truth: Array, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("known") / "known.tif"
    known.write(path, truth)
    return path


@pytest.mark.parametrize(
    "given",
    [
        {"region": 4096},
        {"region": 164, "batch_size": 3, "halo": 64},
        {"region": 500, "workers": 2, "cache": 0},
        {"region": 300, "tile": 128, "margin": 23},
        {"region": 400, "overlap": 24},
    ],
    ids=str,
)
def test_what_is_found_is_the_truth(
    slide: Path, truth: Array, tmp_path: Path, given: dict[str, Any]
) -> None:
    found = known.predict(slide, tmp_path, **given)
    assert found.max() == len(np.unique(truth)) - 1 > 500
    table = overlap(truth, found)
    assert len(table.iou) == found.max(), "no nucleus touches two"
    assert (table.iou == 1).all()
