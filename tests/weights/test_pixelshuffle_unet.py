from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import Tensor

from histoseg.errors import CheckpointError
from histoseg.networks import PixelShuffleUNet
from histoseg.weights.pixelshuffle_unet import (
    check_fits,
    encoder_weights,
    from_fastai,
    read_fastai,
    to_fastai,
)

NAME = "pixelshuffle_unet_resnet34_fastai1"
State = dict[str, Tensor]


def small(**settings: bool) -> PixelShuffleUNet:
    """A network with the names of a ResNet, on no memory."""
    with torch.device("meta"):
        return PixelShuffleUNet(2, encoder="resnet18", **settings)  # type: ignore[arg-type]


def test_official_weights_give_the_original_outputs(
    shared_golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(shared_golden))
    import deterministic_weights as fixed

    shapes = fixed.read_shapes(shared_golden / f"{NAME}.shapes.json")
    state = {key: torch.from_numpy(value) for key, value in fixed.state_dict(shapes).items()}
    network = PixelShuffleUNet(2).eval()
    network.load_state_dict(from_fastai(state))
    image = torch.from_numpy(fixed.golden_input(NAME, [1, 3, 128, 160], 0.0, 1.0))
    with torch.no_grad(), np.load(shared_golden / f"{NAME}.npz") as golden:
        np.testing.assert_allclose(network(image).numpy(), golden["eval"], atol=2e-6)
    back = to_fastai(network.state_dict())
    assert {key: list(value.shape) for key, value in back.items()} == shapes
    assert list(back) == list(shapes)
    assert all(torch.equal(back[key], state[key]) for key in state)


@pytest.mark.parametrize(
    "settings",
    [{}, {"last_cross": False}, {"self_attention": True}, {"bottle": True}],
    ids=str,
)
def test_there_and_back(settings: dict[str, bool]) -> None:
    own = small(**settings).state_dict()
    there = to_fastai(own)
    assert all(key.startswith("layers.") for key in there)
    back = from_fastai(there)
    assert list(back) == list(own)
    assert all(back[key] is own[key] for key in own)


def test_a_layer_that_resizes_shifts_the_end() -> None:
    own = small().state_dict()
    shifted = {
        key.replace("layers.10.", "layers.11.", 1).replace("layers.11.0.", "layers.12.0.", 1)
        if key.startswith(("layers.10.", "layers.11."))
        else key: value
        for key, value in reversed(to_fastai(own).items())
    }
    assert "layers.12.0.weight" in shifted
    assert from_fastai(shifted).keys() == own.keys()


def test_a_file_of_learn_save_is_read_with_its_optimiser(tmp_path: Path) -> None:
    state = {"layers.0.0.weight": torch.zeros(1)}
    torch.save(
        {"model": state, "opt": {"state": {}, "param_groups": [{"lr": 1e-3}]}}, tmp_path / "a"
    )
    torch.save({f"module.{k}": v for k, v in state.items()}, tmp_path / "b")
    assert read_fastai(tmp_path / "a").keys() == read_fastai(tmp_path / "b").keys() == state.keys()


def test_what_is_not_of_fastai_1_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="fastai 2"):
        from_fastai({"layers.4.shuf.0.0.weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"not of a Dynamic U-Net.*other\.weight"):
        from_fastai({"other.weight": torch.zeros(1)})
    torch.save(torch.nn.Linear(1, 1), tmp_path / "export.pkl")  # as learn.export: objects
    with pytest.raises(CheckpointError, match="nothing but data"):
        read_fastai(tmp_path / "export.pkl")
    with torch.device("meta"):
        other = PixelShuffleUNet(2, encoder="convnext_atto").state_dict()
    with pytest.raises(CheckpointError, match="holds a ResNet as"):
        to_fastai(other)
    own = small().state_dict()
    with pytest.raises(CheckpointError, match=r"1 missing \(head.bias\).*model.network"):
        check_fits({k: v for k, v in own.items() if k != "head.bias"}, own, Path("a.pth"))


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_an_encoder_of_timm_goes_in_as_timm_adapts_it(channels: int) -> None:
    source = timm.create_model("test_resnet", num_classes=7)
    state = source.state_dict()
    network = PixelShuffleUNet(2, channels, encoder="test_resnet")
    found = encoder_weights(state, network.state_dict(), channels)
    network.load_state_dict(found)
    first = next(k for k in state if state[k].ndim == 4)
    wanted = timm.models.adapt_input_conv(channels, state[first])
    torch.testing.assert_close(found[f"encoder.{first}"], wanted)
    assert torch.equal(found["head.weight"], network.head.weight)


def test_the_weights_of_another_encoder_are_refused() -> None:
    state = timm.create_model("test_resnet").state_dict()
    with pytest.raises(CheckpointError, match=r"missing.*model\.network\.encoder"):
        encoder_weights(state, small().state_dict(), 3)
