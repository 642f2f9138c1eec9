from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from histoseg.errors import CheckpointError
from histoseg.networks import ImPartial
from histoseg.weights.impartial import (
    from_official,
    read_official,
    to_official,
    write_official,
)

NAME = "impartial_unet_base64_depth4"


def network(**settings: Any) -> ImPartial:
    return ImPartial(2, 12, **({"width": 2, "depth": 2} | settings))


def test_official_weights_give_the_original_outputs(
    shared_golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(shared_golden))
    import deterministic_weights as fixed

    shapes = fixed.read_shapes(shared_golden / f"{NAME}.shapes.json")
    state = {key: torch.from_numpy(value) for key, value in fixed.state_dict(shapes).items()}
    ours = ImPartial(2, 18).eval()
    ours.load_state_dict(from_official(state))
    image = torch.from_numpy(fixed.golden_input(NAME, [2, 2, 96, 96], 0, 1))
    with torch.no_grad():
        raw = ours(image)
    with np.load(shared_golden / f"{NAME}.npz") as golden:
        np.testing.assert_allclose(raw.numpy(), golden["eval"], atol=1e-5)
    written = to_official(ours.state_dict())
    assert {key: list(value.shape) for key, value in written.items()} == shapes


@pytest.mark.parametrize(
    ("dropout", "norm", "convs", "norms"),
    [
        (False, False, (0, 2), ()),
        (True, False, (0, 3), ()),
        (False, True, (0, 3), (1, 4)),
        (True, True, (0, 4), (2, 6)),
    ],
)
def test_places_in_the_original_depend_on_its_flags(
    dropout: bool, norm: bool, convs: tuple[int, ...], norms: tuple[int, ...]
) -> None:
    weights = network(batch_norm=norm).state_dict()
    state = to_official(weights, dropout=dropout)
    block = "down_list.1.maxpool_conv.1.double_conv"
    places = {
        int(k.split(".")[5]): v.ndim
        for k, v in state.items()
        if k.startswith(block) and k.endswith("weight")
    }
    assert {place for place, ndim in places.items() if ndim == 4} == set(convs)
    assert {place for place, ndim in places.items() if ndim == 1} == set(norms)
    stem = {int(k.split(".")[2]) for k in state if k.startswith("inc")}
    assert stem == ({0, 1, 3, 4} if norm else {0, 2})
    back = from_official(state)
    assert set(back) == set(weights)
    assert all(torch.equal(back[key], value) for key, value in weights.items())


def containers(state: dict[str, Tensor]) -> dict[str, Any]:
    return {
        "2021": [state],
        "with optimiser": [state, {"state": {}, "param_groups": []}],
        "server": {"model": state, "epoch": 3},
        "bare": state,
    }


@pytest.mark.parametrize("kind", ["2021", "with optimiser", "server", "bare"])
def test_containers_of_the_original(tmp_path: Path, kind: str) -> None:
    weights = network().state_dict()
    path = tmp_path / "model_best.pth"
    torch.save(containers(to_official(weights))[kind], path)
    read = read_official(path)
    assert all(torch.equal(read[key], value) for key, value in weights.items())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    weights = network(batch_norm=True).state_dict()
    write_official(tmp_path / "weights.pth", weights, dropout=False)
    read = read_official(tmp_path / "weights.pth")
    assert set(read) == set(weights)
    assert all(torch.equal(read[key], value) for key, value in weights.items())


def test_the_head_behind_a_dropout() -> None:
    state = {"outc.conv.0.weight": torch.zeros(1), "outc.conv.0.bias": torch.ones(1)}
    assert list(from_official(state)) == ["head.weight", "head.bias"]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ([3], "expected weights"),
        ({"model": {"a": torch.zeros(1)}}, "no 'a' in a U-Net"),
        ({"inc.double_conv.0.weight": torch.zeros(1, 1, 3, 3)}, "stem has 1 convolutions"),
        ([], "expected weights"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: Any, match: str) -> None:
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match=f"odd.pth.*{match}"):
        read_official(tmp_path / "odd.pth")
