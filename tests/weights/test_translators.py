from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from histoseg import networks
from histoseg.errors import CheckpointError
from histoseg.networks.blocks.tile_statistics import with_tile_statistics
from histoseg.weights.layers import Layout, StoredNetwork, check
from histoseg.weights.patchgan_layout import PatchGANLayout, PixelGANLayout, patchgan_of
from histoseg.weights.resnet_layout import ResnetLayout, resnet_of
from histoseg.weights.translators import from_official, read_official, to_official, write_official
from histoseg.weights.unet_layout import AttentionUNetLayout, UNetLayout, unet_of

CYCLEGAN = ResnetLayout(norm="instance", padding="reflect", dropout=0.0)
GOLDENS = [
    ("cyclegan_generator_resnet9_instance", 128, CYCLEGAN),
    ("patchgan_basic_instance", 256, PatchGANLayout(norm="instance")),
    ("deepliif_translator_resnet9_batch_zero_dropout", 128, ResnetLayout()),
    ("deepliif_segmentation_unet512_batch", 512, UNetLayout()),
]
LAYOUTS = [
    *(
        ResnetLayout(3, 2, 4, blocks, norm, padding, dropout, upsampling)
        for norm, blocks in (("batch", 3), ("instance", 1), ("none", 2), ("spectral", 1))
        for padding in ("zero", "reflect")
        for dropout in (0.0, 0.5)
        for upsampling in ("convtranspose", "resize_conv")
    ),
    *(UNetLayout(6, 1, 2, depth, n) for n in ("batch", "instance", "none") for depth in (5, 7)),
    *(
        PatchGANLayout(6, 2, layers, norm)
        for norm in ("batch", "instance", "none", "spectral")
        for layers in (1, 3, 5)
    ),
    *(PixelGANLayout(6, 2, norm) for norm in ("batch", "instance", "none")),
]


def build(layout: Layout) -> nn.Module:
    network: nn.Module = getattr(networks, layout.network)(**vars(layout))
    return network


def stored(layout: Layout) -> StoredNetwork:
    return StoredNetwork(layout, build(layout).state_dict())


def official(**changes: Any) -> dict[str, Tensor]:
    return to_official(stored(ResnetLayout(**({"width": 4, "blocks": 2} | changes))))


@pytest.mark.parametrize(("name", "side", "layout"), GOLDENS)
def test_official_weights_give_the_original_outputs(
    translator_golden: Callable[[str, int], Any], name: str, side: int, layout: Layout
) -> None:
    golden = translator_golden(name, side)
    read = from_official(golden.state)
    assert read.layout == layout
    assert read.has_statistics
    network = build(layout).eval()
    network.load_state_dict(read.weights)
    for what, expected in golden.outputs.items():
        ours = with_tile_statistics(network) if what.startswith("tile") else network
        with torch.no_grad():
            out = ours(golden.image)
        out = out[..., ::8, ::8] if what.endswith("8th") else out
        torch.testing.assert_close(out, expected, rtol=0, atol=1e-5)
    back = to_official(read)
    assert list(back) == list(golden.state)
    assert all(torch.equal(back[key], value) for key, value in golden.state.items())


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_there_and_back(layout: Layout) -> None:
    ours = stored(layout)
    read = from_official(to_official(ours))
    assert read == StoredNetwork(layout, read.weights)
    assert list(read.weights) == list(ours.weights)
    assert all(torch.equal(read.weights[key], value) for key, value in ours.weights.items())
    build(layout).load_state_dict(read.weights)


def test_the_attention_unet_there_and_back() -> None:
    layout = AttentionUNetLayout(6, 1)
    with torch.device("meta"):
        ours = stored(layout)
    state = to_official(ours)
    assert len(state) == 237
    assert state["Att4.W_g.0.weight"].shape == (128, 256, 1, 1)
    assert list(state)[-2:] == ["Up1.up.0.weight", "Up1.up.0.bias"]
    assert state["Up1.up.0.bias"].shape == (1,)
    read = from_official(state)
    assert read.layout == layout
    assert all(read.weights[key] is value for key, value in ours.weights.items())


def test_what_our_own_weights_tell_is_measured() -> None:
    resnet = ResnetLayout(6, 1, 4, 3, "instance", "reflect", 0.0, "resize_conv")
    form = ResnetLayout(padding="reflect", dropout=0.0, upsampling="resize_conv")
    assert resnet_of(stored(resnet).weights, form) == resnet
    unet = UNetLayout(6, 1, 2, 2, "batch", 0.1)
    assert unet_of(stored(unet).weights, dropout=0.1) == unet
    critic = PatchGANLayout(6, 4, 1, "spectral", "reflect", sigmoid=True)
    form_of_critic = PatchGANLayout(padding="reflect", sigmoid=True)
    assert patchgan_of(stored(critic).weights, form_of_critic) == critic


@pytest.mark.parametrize("wrapper", ["", "module.", "_orig_mod.", "module._orig_mod."])
@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("zipped", [True, False])
def test_wrapped_and_old_files(tmp_path: Path, wrapper: str, nested: bool, zipped: bool) -> None:
    state = official()
    content = {wrapper + key: value for key, value in state.items()}
    path = tmp_path / "latest_net_G1.pth"
    torch.save(
        {"state_dict": content, "epoch": 3} if nested else content,
        path,
        _use_new_zipfile_serialization=zipped,
    )
    back = to_official(read_official(path))
    assert all(torch.equal(back[key], value) for key, value in state.items())


def test_statistics_of_instance_norms_are_dropped() -> None:
    """Files of before 2018 have them."""
    state = official(norm="instance")
    stale = {"model.2.running_mean": torch.ones(4), "model.2.running_var": torch.ones(4)}
    read = from_official(state | stale)
    assert read.layout == ResnetLayout(width=4, blocks=2, norm="instance")
    assert read.has_statistics
    assert not any("running" in key for key in read.weights)


def test_lacking_counters_are_zero_and_lacking_statistics_are_told() -> None:
    state = official()
    bare = {k: v for k, v in state.items() if "running" not in k and "tracked" not in k}
    without_counters = {k: v for k, v in state.items() if "tracked" not in k}
    for given, has_statistics in ((without_counters, True), (bare, False)):
        read = from_official(given)
        assert read.has_statistics == has_statistics
        network = build(read.layout)
        network.load_state_dict(read.weights)
        assert network.stem.norm.num_batches_tracked == 0
    assert torch.equal(network.stem.norm.running_var, torch.ones(4))
    assert torch.equal(network.stem.norm.running_mean, torch.zeros(4))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("model.10.conv_block.4.weight", None, r"conv_block are at \(0,\)"),
        ("model.11.conv_block.4.weight", None, r"1 missing \(blocks\.1\.second\.conv\.weight\)"),
        ("model.5.running_mean", None, r"1 missing \(down\.0\.norm\.running_mean\)"),
        ("model.1.weight", None, "not the weights of a generator"),
        ("model.12.weight", None, r"keys do not belong to it, such as model\.13"),
        (
            "model.40.weight",
            torch.zeros(1),
            r"1 of \d+ keys do not belong to it, such as model\.40",
        ),
        ("model.5.scale", torch.zeros(1), r"such as model\.5\.scale"),
        ("model.4.weight", torch.zeros(8, 4, 5, 5), r"\(8, 4, 5, 5\) instead of \(8, 4, 3, 3\)"),
        ("model.7.weight", torch.zeros(32, 16, 3, 3), r"ResnetGenerator\(inputs=3.*width=4"),
    ],
)
def test_incomplete_and_foreign_weights_are_refused(
    key: str, value: Tensor | None, words: str
) -> None:
    state = {k: v for k, v in official().items() if k != key}
    with pytest.raises(CheckpointError, match=words):
        from_official(state if value is None else state | {key: value})


def test_another_models_weights_and_our_own_are_refused(tmp_path: Path) -> None:
    for foreign in ({"conv0./.weight": torch.zeros(1)}, stored(LAYOUTS[0]).weights, {}):
        with pytest.raises(CheckpointError, match="not the weights of a generator"):
            from_official(foreign)
    unet = to_official(stored(UNetLayout(width=1, depth=5)))
    inner = {key: value for key, value in unet.items() if key.count("model") < 5}
    with pytest.raises(CheckpointError, match="expected 5 or more"):
        from_official(inner)
    for content in ({"epoch": 3}, {"state_dict": {}}, {"state_dict": {"a": 1}}):
        torch.save(content, tmp_path / "x.pth")
        with pytest.raises(CheckpointError, match=r"x\.pth holds .*expected a state dict"):
            read_official(tmp_path / "x.pth")
    torch.save({"a.weight": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"x\.pth: these are not the weights"):
        read_official(tmp_path / "x.pth")


@pytest.mark.parametrize(
    "layout",
    [
        *(ResnetLayout(width=2, blocks=1, stem_norm=False),),
        *(ResnetLayout(width=2, blocks=1, upsampling="pixel_shuffle"),),
        *(UNetLayout(width=1, depth=4), UNetLayout(width=1, depth=5, norm="spectral")),
        *(AttentionUNetLayout(width=2, depth=3), PixelGANLayout(width=1, norm="spectral")),
        *(PatchGANLayout(width=1, sigmoid=True), PatchGANLayout(width=1, padding="reflect")),
    ],
    ids=str,
)
def test_what_the_official_code_cannot_build_is_not_written(tmp_path: Path, layout: Layout) -> None:
    ours = stored(layout)
    check(layout, ours.weights)
    with pytest.raises(CheckpointError, match="has no"):
        write_official(tmp_path / "x.pth", ours)
    assert not (tmp_path / "x.pth").exists()


def test_weights_that_do_not_fit_their_layout_are_not_written() -> None:
    ours = stored(ResnetLayout(width=2, blocks=1))
    with pytest.raises(CheckpointError, match="instead of"):
        to_official(StoredNetwork(ResnetLayout(width=4, blocks=1), ours.weights))
