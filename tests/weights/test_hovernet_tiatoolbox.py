import json
from pathlib import Path

import pytest
import torch

from fakes import tiatoolbox
from histoseg.networks import HoVerNet
from histoseg.weights.hovernet import from_official, read_official
from histoseg.weights.hovernet_layout import HoVerNetLayout, layout_of

KERNEL = {"fast": 3, "original": 5}


@pytest.mark.parametrize(
    ("num_types", "mode"), [(6, "fast"), (5, "fast"), (5, "original"), (None, "original")]
)
def test_its_published_kinds_are_read(tmp_path: Path, num_types: int | None, mode: str) -> None:
    state = tiatoolbox.state(num_types, KERNEL[mode])
    torch.save(state, tmp_path / "hovernet.pth")
    weights = from_official(read_official(tmp_path / "hovernet.pth"))
    classes = num_types - 1 if num_types else 0
    assert layout_of(weights) == HoVerNetLayout(classes, mode, width=8)
    network = HoVerNet(classes, mode, width=8)  # type: ignore[arg-type]
    network.load_state_dict(weights)
    assert torch.equal(network.encoder.conv0.weight, state["conv0./.weight"])
    assert torch.equal(network.decoder["np"].u0["conv"].bias, state["decoder.np.u0.conv.bias"])


def test_its_names_and_shapes_at_full_width_are_the_official_ones(shared_golden: Path) -> None:
    for name, num_types, kernel in (("fast_types6", 6, 3), ("original_types5", 5, 5)):
        expected = json.loads((shared_golden / f"hovernet_{name}.shapes.json").read_text())
        state = tiatoolbox.state(num_types, kernel, width=64)
        assert {key: list(value.shape) for key, value in state.items()} == {
            **expected,
            "upsample2x.unpool_mat": [2, 2],
        }


def test_the_nuclei_of_hovernet_plus_are_read_and_its_layers_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tiatoolbox.state(3, KERNEL["fast"], layers=5)
    torch.save(state, tmp_path / "hovernetplus-oed.pth")
    weights = from_official(read_official(tmp_path / "hovernetplus-oed.pth"))
    assert layout_of(weights) == HoVerNetLayout(2, "fast", width=8)
    assert "its layer branch is left out" in caplog.text
