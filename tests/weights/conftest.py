"""What tests of official weights share."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn


class Golden(NamedTuple):
    """What the original computes: its weights under its keys, the input, the outputs."""

    state: dict[str, Tensor]
    image: Tensor
    outputs: dict[str, Tensor]


@pytest.fixture
def translator_golden(
    shared_golden: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, int], Golden]:
    """Read a golden of a network on images in [-1, 1]."""
    monkeypatch.syspath_prepend(str(shared_golden))
    import deterministic_weights as fixed

    def read(name: str, side: int) -> Golden:
        shapes = fixed.read_shapes(shared_golden / f"{name}.shapes.json")
        state = {key: torch.from_numpy(value) for key, value in fixed.state_dict(shapes).items()}
        image = torch.from_numpy(fixed.golden_input(name, [1, 3, side, side], -1.0, 1.0))
        with np.load(shared_golden / f"{name}.npz") as arrays:
            return Golden(state, image, {k: torch.from_numpy(arrays[k]) for k in arrays.files})

    return read


@pytest.fixture
def trace() -> Callable[..., dict[str, Tensor]]:
    """Write a network as TorchScript; gives the state that torch sees in it."""

    def write(
        network: nn.Module, path: Path, dtype: torch.dtype = torch.float32
    ) -> dict[str, Tensor]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is old, and sizes are not traced
            traced = torch.jit.trace(network.eval(), torch.zeros(1, 3, 32, 32, dtype=dtype))
            torch.jit.save(traced, path)
        return dict(traced.state_dict())

    return write
