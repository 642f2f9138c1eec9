"""The row of a panel: what is drawn of one image."""

from typing import Any

import numpy as np
import pytest
import torch

from histoseg.callbacks.image_panel import _pictures
from histoseg.writers import panels


def test_a_translator_is_drawn_true_beside_made() -> None:
    true, made = torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)
    outputs: dict[str, Any] = {
        "image": torch.rand(1, 6, 8, 8),
        "stains": {"ihc": true, "dapi": true, "marker": true[:, :1]},
        "pred_stains": {"dapi": made, "marker": made[:, :1]},
        "maps": {"dapi": made, "marker": made[:, :1]},
    }
    row = _pictures(outputs, 0, ())
    assert list(row) == ["input 1", "input 2", "dapi", "dapi, made", "marker", "marker, made"]
    assert all(p.shape == (8, 8, 3) and p.dtype == np.uint8 for p in row.values())
    assert not row["dapi"].any()
    assert (row["marker, made"] == 255).all()


def test_what_has_no_truth_is_drawn_all_the_same() -> None:
    made = torch.ones(1, 3, 8, 8)
    outputs: dict[str, Any] = {
        "image": made, "stains": {}, "pred_stains": {"he": made}, "maps": {"he": made}
    }  # fmt: skip
    assert list(_pictures(outputs, 0, ())) == ["image", "he, made"]


def test_cells_are_outlined_on_the_first_input() -> None:
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    labels[0, 2:6, 2:6] = 1
    outputs: dict[str, Any] = {
        "image": torch.zeros(1, 3, 8, 8), "instances": labels, "semantic": labels,
        "pred_instances": labels * 0, "pred_semantic": labels * 0,
        "maps": {"np": torch.zeros(1, 1, 8, 8)},
    }  # fmt: skip
    row = _pictures(outputs, 0, ((255, 0, 0),))
    assert list(row) == ["image", "truth", "prediction", "np"]
    assert (row["truth"] == (255, 0, 0)).all(axis=-1).any()
    assert not row["prediction"].any()


@pytest.mark.parametrize(("channels", "titles"), [(1, ["image"]), (3, ["image"]), (5, None)])
def test_inputs_are_taken_apart_three_by_three(channels: int, titles: list[str] | None) -> None:
    found = panels(torch.rand(channels, 4, 4))
    assert list(found) == (titles or ["input 1", "input 2"])
    assert sum(len(part) for part in found.values()) == channels
