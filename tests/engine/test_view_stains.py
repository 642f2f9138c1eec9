"""``histoseg view`` of data that have stains: a column each."""

from pathlib import Path

import numpy as np
import pytest

from conftest import Compose
from histoseg.data import SyntheticStains
from histoseg.engine.view import view
from histoseg.errors import ContractError
from histoseg.slides import read_image

GAP = 6


def test_a_row_shows_the_stains_of_a_sample_side_by_side(composed: Compose, tmp_path: Path) -> None:
    given = ["data=synthetic_stains", "n=2", "data.tile=48", "data.splits.train.length=2"]
    mirrored = "data.augment.transforms.mirror.p=1"
    sheet = read_image(view(composed("view", *given, mirrored, f"output={tmp_path / 'x.png'}")))
    assert sheet.shape[1] == 6 * 48 + 7 * GAP
    rows = [sheet[sheet.shape[0] - (48 + GAP) * (2 - i) :][:48, GAP:-GAP] for i in range(2)]
    shown = {np.ascontiguousarray(row.reshape(48, -1, 3)).tobytes() for row in rows}
    data = SyntheticStains(2, tile=48)
    gap = np.full((48, GAP, 3), 255, np.uint8)
    expected = set()
    for record in data:
        parts = [p for picture in record["stains"].values() for p in (picture[:, ::-1], gap)]
        expected.add(np.concatenate(parts[:-1], axis=1).tobytes())
    assert shown == expected


def test_a_model_of_images_is_refused(composed: Compose) -> None:
    cfg = composed("view", "data=synthetic_stains", "model=hovernet", tiny="hovernet")
    with pytest.raises(ContractError, match="gives 'place', 'stains', 'tissue'"):
        view(cfg)
