import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from histoseg.errors import CheckpointError
from histoseg.networks import HoVerNet
from histoseg.weights.hovernet import (
    encoder_from_official,
    from_official,
    read_official,
    to_official,
    with_other_classes,
)
from histoseg.weights.hovernet_layout import HoVerNetLayout, check_published, layout_of

State = dict[str, Tensor]
CASES = [("hovernet_fast_types6", "fast", 5, 256), ("hovernet_original_types5", "original", 4, 270)]
VARIANTS = [(mode, classes) for mode in ("fast", "original") for classes in (0, 1, 5, 11)]


def network(classes: int = 2, mode: Any = "fast", width: int = 8) -> HoVerNet:
    return HoVerNet(classes, mode, width=width)


def official(classes: int = 2, mode: str = "fast") -> State:
    torch.manual_seed(0)
    return to_official(network(classes, mode).state_dict())


@pytest.mark.parametrize(("name", "mode", "classes", "side"), CASES)
def test_official_weights_give_the_original_outputs(
    shared_golden: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    mode: str,
    classes: int,
    side: int,
) -> None:
    monkeypatch.syspath_prepend(str(shared_golden))
    import deterministic_weights as fixed

    shapes = fixed.read_shapes(shared_golden / f"{name}.shapes.json")
    state = {key: torch.from_numpy(value) for key, value in fixed.state_dict(shapes).items()}
    weights = from_official(state)
    assert layout_of(weights) == HoVerNetLayout(classes, mode)
    ours = HoVerNet(classes, mode).eval()
    ours.load_state_dict(weights)
    image = np.rint(fixed.golden_input(name, [1, 3, side, side], 0.0, 255.0)) / 255
    with torch.no_grad():
        maps = ours(torch.from_numpy(image))
    with np.load(shared_golden / f"{name}.npz") as golden:
        assert set(golden.files) == set(maps)
        for branch, out in maps.items():
            np.testing.assert_allclose(out.numpy(), golden[branch], atol=1e-5)


@pytest.mark.parametrize(("name", "mode", "classes", "side"), CASES)
def test_exported_keys_and_shapes_are_the_official_ones(
    shared_golden: Path, name: str, mode: str, classes: int, side: int
) -> None:
    expected = json.loads((shared_golden / f"{name}.shapes.json").read_text())
    for typed in (True, False):
        with torch.device("meta"):
            ours = HoVerNet(classes if typed else 0, mode)
        exported = to_official(ours.state_dict())
        wanted = {k: v for k, v in expected.items() if typed or not k.startswith("decoder.tp.")}
        wanted["upsample2x.unpool_mat"] = [2, 2]
        assert {k: list(v.shape) for k, v in exported.items()} == wanted


@pytest.mark.parametrize(("mode", "classes"), VARIANTS)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_there_and_back(mode: str, classes: int, prefix: str) -> None:
    state = official(classes, mode)
    weights = from_official({prefix + key: value for key, value in state.items()})
    assert layout_of(weights) == HoVerNetLayout(classes, mode, width=8)
    fresh = network(classes, mode)
    fresh.load_state_dict(weights)
    back = to_official(fresh.state_dict())
    assert list(back) == list(state)
    assert all(torch.equal(back[key], state[key]) for key in state)


def test_the_layout_lists_the_networks_state() -> None:
    ours = HoVerNet(3, "original", width=16, depths=(1, 2, 1, 2), dense_units=(3, 1))
    shapes = {key: tuple(value.shape) for key, value in ours.state_dict().items()}
    layout = layout_of(ours.state_dict())
    assert layout == HoVerNetLayout(3, "original", 16, (1, 2, 1, 2), (3, 1))
    assert layout.shapes() == shapes


def test_counters_and_constant_may_be_lacking() -> None:
    state = {k: v for k, v in official().items() if not k.endswith(("tracked", "unpool_mat"))}
    weights = from_official(state)
    network().load_state_dict(weights)
    counters = [v for k, v in weights.items() if k.endswith("num_batches_tracked")]
    assert len(counters) == 130
    assert all(c == 0 and c.dtype == torch.int64 for c in counters)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("d2.units.3.conv2.weight", None, r"1 missing \(encoder.d2.units.3.conv2.weight\)"),
        ("decoder.np.u1.conva.weight", None, "not the weights of a whole HoVer-Net"),
        ("decoder.tp.u0.conv.weight", None, "unknown"),
        ("d1.units.9.conv1.weight", torch.zeros(1), "missing"),
        ("linear.weight", torch.zeros(1), "1 unknown"),
        ("encoder.extra.weight", torch.zeros(1), "1 keys are not of the official"),
        ("decoder.hv.u0.conv.weight", torch.zeros(3, 8, 1, 1), "instead of"),
        ("decoder.np.u3.conva.weight", torch.zeros(32, 128, 5, 5), "instead of"),
    ],
)
def test_incomplete_and_foreign_weights_are_refused(
    key: str, value: Tensor | None, words: str
) -> None:
    state = {k: v for k, v in official().items() if k != key}
    with pytest.raises(CheckpointError, match=words):
        from_official(state if value is None else state | {key: value})


def test_another_models_weights_and_our_own_are_refused() -> None:
    foreign = {"model.1.weight": torch.zeros(64, 3, 7, 7)}
    with pytest.raises(CheckpointError, match=r"model\.1\.weight"):
        from_official(foreign)
    with pytest.raises(CheckpointError, match="not of the official HoVer-Net"):
        from_official(network().state_dict())
    with pytest.raises(CheckpointError, match=r"model\.1\.weight"):
        to_official(foreign)
    with pytest.raises(CheckpointError, match="published encoder"):
        to_official(HoVerNet(1, width=8, encoder="resnet18").state_dict())


@pytest.mark.parametrize("wrapped", [True, False])
def test_files_of_torch(tmp_path: Path, wrapped: bool) -> None:
    state = official()
    parallel = {f"module.{key}": value for key, value in state.items()}
    content = {"desc": parallel, "optimizer": {"state": {}}, "lr_scheduler": {"last_epoch": 1}}
    torch.save(content if wrapped else parallel, tmp_path / "net_epoch=1.tar")
    read = read_official(tmp_path / "net_epoch=1.tar")
    assert all(torch.equal(read[key], state[key]) for key in state)


def test_files_of_numpy(tmp_path: Path) -> None:
    state = official()
    np.savez(tmp_path / "w.npz", **{key: value.numpy() for key, value in state.items()})
    weights = from_official(read_official(tmp_path / "w.npz"))
    network().load_state_dict(weights)
    assert torch.equal(weights["conv_bot.weight"], state["conv_bot.weight"])


@pytest.mark.parametrize(
    "content", [{}, {"desc": {}}, {"desc": {"a": 1}}, {"epoch": 3}, {"desc": 3}]
)
def test_files_without_weights_are_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    torch.save(content, tmp_path / "w.tar")
    with pytest.raises(CheckpointError, match="expected an official HoVer-Net file"):
        read_official(tmp_path / "w.tar")


def test_an_encoder_alone(caplog: pytest.LogCaptureFixture) -> None:
    state = {k: v for k, v in official().items() if k.startswith(("conv0", "d"))}
    state = {k: v for k, v in state.items() if not k.startswith("decoder") and "tracked" not in k}
    state["linear.weight"] = torch.zeros(1000, 256)
    fresh = network()
    with caplog.at_level("INFO", logger="histoseg"):
        loaded = encoder_from_official(state, fresh.state_dict())
    assert loaded.missing == ["conv_bot.weight"]
    assert loaded.ignored == ["linear.weight"]
    assert "1 missing ['conv_bot.weight'], 1 ignored ['linear.weight']" in caplog.text
    fresh.load_state_dict(loaded.found, strict=False)
    assert torch.equal(fresh.encoder.d3.shortcut.weight, state["d3.shortcut.weight"])
    assert all(key.startswith("encoder.") for key in loaded.found)


def test_files_without_an_encoder_are_refused() -> None:
    with pytest.raises(CheckpointError, match="no key is of the network's encoder"):
        encoder_from_official({"layer1.0.conv1.weight": torch.zeros(1)}, network().state_dict())
    with pytest.raises(CheckpointError, match=r"encoder\.conv0\.weight has shape"):
        encoder_from_official(official(), network(width=16).state_dict())


@pytest.mark.parametrize(("before", "after"), [(2, 2), (2, 7), (0, 3), (4, 0)])
def test_other_classes_keep_all_but_the_class_head(before: int, after: int) -> None:
    trained, fresh = network(before).state_dict(), network(after).state_dict()
    fitted = with_other_classes(trained, fresh)
    network(after).load_state_dict(fitted)
    new = {key for key in fitted if key not in trained or fitted[key] is not trained[key]}
    head = {"decoder.tp.u0.conv.weight", "decoder.tp.u0.conv.bias"}
    branch = {key for key in fresh if key.startswith("decoder.tp.")}
    assert new == (set() if before == after or not after else head if before else branch)


def test_other_modes_are_not_other_classes() -> None:
    fast, original = (network(2, mode).state_dict() for mode in ("fast", "original"))
    for weights, fresh, model in (
        (fast, original, "hovernet"),
        (original, fast, "hovernet_original"),
    ):
        with pytest.raises(CheckpointError, match=f"set model={model}$"):
            with_other_classes(weights, fresh)


def test_other_sizes_and_encoders_are_not_other_classes() -> None:
    small = HoVerNet(2, width=8, depths=(1, 2, 1, 1), dense_units=(2, 1)).state_dict()
    settings = (
        "model.network.width=8 model.network.depths=[1,2,1,1] +model.network.dense_units=[2,1]"
    )
    with pytest.raises(CheckpointError, match=re.escape(settings)):
        with_other_classes(small, network(2, width=16).state_dict())
    other = HoVerNet(2, width=8, encoder="resnet18").state_dict()
    with pytest.raises(CheckpointError, match="differ from the network in encoder"):
        with_other_classes(small, other)


def test_only_the_published_size_is_the_originals() -> None:
    check_published(HoVerNetLayout(7, "original"))
    for changed in ({"width": 32}, {"depths": (3, 4, 6, 4)}, {"dense_units": (8, 5)}):
        with pytest.raises(CheckpointError, match="the original HoVer-Net has width 64"):
            check_published(HoVerNetLayout(4, "fast", **changed))
