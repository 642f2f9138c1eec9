from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from histoseg.networks import ResnetGenerator
from networks.tester import check_network

NORMS = ["batch", "instance", "none", "spectral"]


def tiny(**changes: Any) -> ResnetGenerator:
    return ResnetGenerator(**({"width": 4, "blocks": 2, "initial": "torch"} | changes))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("upsampling", ["convtranspose", "resize_conv", "pixel_shuffle"])
def test_behaves(norm: str, upsampling: str) -> None:
    build = partial(tiny, norm=norm, upsampling=upsampling, inputs=6, outputs=2)
    check_network(build, torch.rand(2, 6, 24, 32) * 2 - 1, {"": (2, 2, 24, 32)})


@pytest.mark.parametrize("padding", ["zero", "reflect", "replicate"])
def test_pads_as_said(padding: str) -> None:
    """A picture of one colour stays one colour unless zeros come in from outside."""
    network = tiny(norm="none", padding=padding, down_padding=padding, upsampling="pixel_shuffle")
    network.up = nn.ModuleList()
    network.head = nn.Conv2d(16, 1, 1)
    out = network.eval()(torch.full((1, 3, 16, 16), 0.7))
    even = torch.allclose(out, out[..., :1, :1].expand_as(out), atol=1e-6)
    assert even == (padding == "reflect")  # with replicate the 7x7 pads with zeros


def test_the_padding_of_blocks_concerns_their_border() -> None:
    zero, replicate = (tiny(padding=p, norm="none").blocks.eval() for p in ("zero", "replicate"))
    replicate.load_state_dict(zero.state_dict())
    x = torch.rand(1, 16, 12, 12)
    there, back = zero(x), replicate(x)
    torch.testing.assert_close(there[..., 4:-4, 4:-4], back[..., 4:-4, 4:-4])
    assert not torch.allclose(there[..., 0, :], back[..., 0, :])


@pytest.mark.parametrize(
    ("changes", "parameters", "entries"),
    [
        ({}, 11_383_427, 140),
        ({"inputs": 9}, 11_402_243, 140),
        ({"norm": "instance"}, 11_378_179, 48),
        ({"norm": "instance", "blocks": 6}, 7_837_699, 36),
        ({"norm": "instance", "width": 32}, 2_850_563, 48),
        ({"norm": "instance", "width": 32, "blocks": 6}, 1_965_059, 36),
        ({"norm": "none"}, 11_372_931, 25),
        ({"upsampling": "resize_conv"}, 11_383_619, 142),
    ],
)
def test_published_size(changes: dict[str, Any], parameters: int, entries: int) -> None:
    with torch.device("meta"):
        network = ResnetGenerator(**changes)
    state = network.state_dict()
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert len(state) == entries
    if not changes:
        assert sum(buffer.numel() for buffer in network.buffers()) == 10_519


def test_dropout_drops_in_training_alone() -> None:
    image = torch.rand(1, 3, 16, 16)
    for dropout, random in ((0.5, True), (0.0, False)):
        network = tiny(norm="none", dropout=dropout).train()
        assert torch.equal(network(image), network(image)) != random
        network.eval()
        assert torch.equal(network(image), network(image))


def test_keys_do_not_depend_on_padding_and_dropout() -> None:
    keys = {
        tuple(tiny(padding=padding, dropout=dropout).state_dict())
        for padding in ("zero", "reflect")
        for dropout in (0.0, 0.5)
    }
    assert len(keys) == 1


def test_the_first_norm_may_be_left_out() -> None:
    without = tiny(stem_norm=False)
    assert isinstance(without.stem.norm, nn.Identity)
    assert not any(key.startswith("stem.norm") for key in without.state_dict())


def test_the_spectral_norm_holds_weights_at_one() -> None:
    network = tiny(norm="spectral").train()
    for _ in range(20):
        network(torch.rand(1, 3, 16, 16))
    for conv in (network.stem.conv, network.blocks[0].first.conv, network.head):
        matrix = conv.weight.flatten(1)
        assert torch.linalg.matrix_norm(matrix, 2).item() == pytest.approx(1, abs=0.05)


def test_gives_colours_in_range() -> None:
    out = tiny(norm="none", initial="xavier", gain=50.0)(torch.rand(1, 3, 16, 16) * 2 - 1)
    assert out.abs().max() <= 1
    assert out.abs().max() > 0.9


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((1, 3, 18, 16), r"18 x 16 px does not fit.*divide by 4.*is 20 x 16"),
        ((1, 4, 16, 16), r"expected an image \(B, 3, H, W\)"),
        ((3, 16, 16), r"expected an image \(B, 3, H, W\)"),
    ],
)
def test_images_that_do_not_fit_are_refused(shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tiny()(torch.zeros(shape))


@pytest.mark.parametrize(
    "changes",
    [
        *({"norm": "layer"}, {"padding": "circular"}, {"down_padding": "circular"}),
        *({"upsampling": "bilinear"}, {"initial": "zeros"}),
    ],
)
def test_arguments_out_of_range_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(changes.values()))!r} is unknown; choose"):
        tiny(**changes)


def test_memory_format_is_kept_and_changes_nothing() -> None:
    image, network = torch.rand(2, 3, 16, 16), tiny().eval()
    with torch.no_grad():
        plain = network(image)
        network = network.to(memory_format=torch.channels_last)
        last = network(image.contiguous(memory_format=torch.channels_last))
    assert last.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(last, plain, rtol=1e-4, atol=1e-5)
