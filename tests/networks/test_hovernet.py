from functools import partial

import pytest
import torch
from torch import Tensor, nn

from histoseg.networks import HoVerNet
from networks.tester import check_network

TINY = {"width": 8, "depths": (1, 1, 2, 1), "dense_units": (2, 1)}


def tiny(classes: int = 3, **changes: object) -> HoVerNet:
    torch.manual_seed(0)
    return HoVerNet(classes, **(TINY | changes))


@pytest.mark.parametrize(("mode", "side", "out"), [("fast", 64, 32), ("original", 86, 16)])
@pytest.mark.parametrize("classes", [0, 3])
def test_behaves(mode: str, side: int, out: int, classes: int) -> None:
    expected = {"np": (2, 2, out, out), "hv": (2, 2, out, out)}
    expected |= {"tp": (2, 1 + classes, out, out)} if classes else {}
    check_network(lambda: tiny(classes, mode=mode), torch.rand(2, 3, side, side), expected)


@pytest.mark.parametrize(
    "encoder", ["resnet18", "efficientnet_b0", "convnext_atto", "vgg11", "mambaout_femto"]
)
def test_any_timm_encoder(encoder: str) -> None:
    network = tiny(encoder=encoder, in_channels=4)
    outputs = network(torch.rand(2, 4, 64, 96))
    assert {k: tuple(v.shape) for k, v in outputs.items()} == {
        "np": (2, 2, 32, 64),
        "hv": (2, 2, 32, 64),
        "tp": (2, 4, 32, 64),
    }


def test_a_timm_encoder_behaves() -> None:
    expected = {"np": (2, 2, 16, 16), "hv": (2, 2, 16, 16), "tp": (2, 4, 16, 16)}
    build = partial(tiny, encoder="resnet18", mode="original")
    check_network(build, torch.rand(2, 3, 86, 86), expected)


def test_an_encoder_of_one_size_gets_it() -> None:
    network = tiny(encoder="vit_tiny_patch16_224")
    assert network(torch.rand(1, 3, 64, 64))["np"].shape == (1, 2, 32, 32)


def test_an_unknown_encoder_is_refused_with_near_names() -> None:
    with pytest.raises(ValueError, match=r"'resnt18'.*resnet18"):
        tiny(encoder="resnt18")


@pytest.mark.parametrize(
    ("mode", "classes", "parameters", "keys", "counters"),
    [
        ("original", 0, 45_028_676, 632, 103),
        ("original", 4, 54_744_457, 798, 130),
        ("original", 5, 54_744_522, 798, 130),
        ("fast", 0, 33_625_412, 632, 103),
        ("fast", 4, 37_639_561, 798, 130),
        ("fast", 5, 37_639_626, 798, 130),
    ],
)
def test_published_size(mode: str, classes: int, parameters: int, keys: int, counters: int) -> None:
    with torch.device("meta"):
        network = HoVerNet(classes, mode)
    state = network.state_dict()
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert len(state) + 1 == keys  # the original also stores the constant of its upsampling
    assert sum(key.endswith("num_batches_tracked") for key in state) == counters


@pytest.mark.parametrize(
    ("mode", "tile", "margin", "out"), [("fast", 256, 46, 164), ("original", 270, 95, 80)]
)
def test_published_geometry(mode: str, tile: int, margin: int, out: int) -> None:
    with torch.device("meta"):
        network = HoVerNet(5, mode)
        shape = network(torch.zeros(1, 3, tile, tile + 16))["tp"].shape
    assert (network.tile, network.margin) == (tile, margin)
    assert network.output_size(tile, tile) == (out, out)
    assert shape == (1, 6, out, out + 16)


@pytest.mark.parametrize(
    ("mode", "came", "works"),
    [
        *(("fast", (250, 256), "256 x 256"), ("fast", (80, 300), "96 x 304")),
        *(("original", (256, 256), "262 x 262"), ("original", (270, 100), "270 x 198")),
    ],
)
def test_sizes_that_do_not_work_are_refused(mode: str, came: tuple[int, int], works: str) -> None:
    with torch.device("meta"):
        network = HoVerNet(0, mode)
        with pytest.raises(ValueError, match=f"{came[0]} x {came[1]} px.* is {works}"):
            network(torch.zeros(1, 3, *came))
        height, width = (int(n) for n in works.split(" x "))
        out = network(torch.zeros(1, 3, height, width))["np"].shape[2:]
    assert tuple(out) == network.output_size(height, width)


def test_images_of_other_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected an image \(B, 3, H, W\)"):
        tiny()(torch.zeros(1, 4, 64, 64))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mode": "slow"}, "'slow' is unknown"),
        ({"classes": -1}, "classes is -1"),
        ({"width": 12}, "width 12"),
        ({"pretrained_encoder": True}, "needs a timm encoder"),
    ],
)
def test_arguments_out_of_range_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tiny(**changes)


def test_convolutions_start_from_kaiming_fan_out() -> None:
    network = HoVerNet(2, width=16, depths=(1, 1, 1, 1))
    weight = network.decoder["np"].u3.conva.weight
    assert weight.std().item() == pytest.approx((2 / (weight.shape[0] * 9)) ** 0.5, rel=0.02)


def train_once(network: HoVerNet, image: Tensor) -> set[str]:
    """Names of parameters with a gradient after one backward pass in train mode."""
    network.train()
    network.zero_grad(set_to_none=True)
    sum(out.square().mean() for out in network(image).values()).backward()
    return {name for name, p in network.named_parameters() if p.grad is not None}


def moved_statistics(network: HoVerNet, image: Tensor) -> set[str]:
    """Names of batch norms whose statistics change in one pass in train mode."""
    norms = {n: m for n, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}
    means = [m.running_mean.clone() for m in norms.values() if m.running_mean is not None]
    network.train()
    network(image)
    return {
        name
        for (name, norm), before in zip(norms.items(), means, strict=True)
        if norm.running_mean is not None and not torch.equal(norm.running_mean, before)
    }


def norms(network: HoVerNet, outside: str | None = None) -> set[str]:
    """Names of all batch norms, or of those that do not start with ``outside``."""
    return {
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d) and not (outside and name.startswith(outside))
    }


FROZEN_BY_REFERENCE = ("encoder.d0.units.", "encoder.d1.", "encoder.d2.", "encoder.d3.")


@pytest.fixture
def image() -> Tensor:
    torch.manual_seed(1)
    return torch.rand(2, 3, 64, 64)


def test_fully_frozen_the_encoder_does_not_move(image: Tensor) -> None:
    network = tiny()
    network.freeze_encoder("full")
    everything = {name for name, _ in network.named_parameters()}
    learning = {name for name in everything if not name.startswith("encoder.")}
    assert train_once(network, image) == learning
    assert moved_statistics(network.eval(), image) == norms(network, outside="encoder.")


def test_frozen_as_the_reference_does_it(image: Tensor) -> None:
    network = tiny()
    network.freeze_encoder("reference")
    everything = {name for name, _ in network.named_parameters()}
    learning = {name for name in everything if not name.startswith(FROZEN_BY_REFERENCE)}
    assert train_once(network, image) == learning
    assert moved_statistics(network, image) == norms(network)


def test_the_reference_trains_the_published_number_of_values() -> None:
    with torch.device("meta"):
        network = HoVerNet(4)
        network.freeze_encoder("reference")
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == 14_165_641


def test_the_reference_gives_the_first_convolution_the_gradient_past_the_units(
    image: Tensor,
) -> None:
    """Without autograd in the units nothing may flow through them, unlike with fixed weights."""
    network = tiny()
    network.freeze_encoder("reference")
    train_once(network, image)
    ours = network.encoder.conv0.weight.grad.clone()
    network.freeze_encoder("none")
    for unit in network.encoder.d0.units:
        unit.register_forward_hook(lambda _, __, out: out.detach())
    for stage in (network.encoder.d1, network.encoder.d2, network.encoder.d3):
        stage.register_forward_hook(lambda _, __, out: out.detach())
    train_once(network, image)
    torch.testing.assert_close(ours, network.encoder.conv0.weight.grad)


@pytest.mark.parametrize(
    ("encoder", "held"), [(None, "encoder."), ("resnet18", "encoder.backbone.")]
)
def test_freezing_is_undone_and_changed_at_any_time(
    image: Tensor, encoder: str | None, held: str
) -> None:
    network = tiny(encoder=encoder)
    everything = {name for name, _ in network.named_parameters()}
    ways = ("full", "reference", "weights", "statistics", "none")
    for how in (*ways, *reversed(ways)):
        network.freeze_encoder(how)
        assert (train_once(network, image) == everything) == (how in ("none", "statistics"))
        moving = norms(network, outside=held if how in ("full", "statistics") else None)
        assert moved_statistics(network, image) == moving


def test_of_a_timm_encoder_the_stem_goes_on_learning(image: Tensor) -> None:
    network = tiny(encoder="resnet18")
    network.freeze_encoder("full")
    learning = train_once(network, image)
    assert not any(name.startswith("encoder.backbone.") for name in learning)
    assert any(name.startswith("encoder.stem.") for name in learning)
    assert not any("backbone" in name for name in moved_statistics(network, image))


@pytest.mark.parametrize(
    ("encoder", "held"), [(None, "encoder."), ("resnet18", "encoder.backbone.")]
)
def test_of_held_weights_the_statistics_go_on_and_of_held_statistics_the_weights(
    image: Tensor, encoder: str | None, held: str
) -> None:
    network = tiny(encoder=encoder)
    everything = {name for name, _ in network.named_parameters()}
    network.freeze_encoder("weights")
    assert train_once(network, image) == {n for n in everything if not n.startswith(held)}
    assert moved_statistics(network, image) == norms(network)
    network.freeze_encoder("statistics")
    assert train_once(network, image) == everything
    assert moved_statistics(network, image) == norms(network, outside=held)


def test_held_weights_are_without_dropout() -> None:
    network = tiny(encoder="resnet18").train()
    network.encoder.backbone.add_module("drop", nn.Dropout(0.5))
    for how, dropping in (("weights", False), ("full", False), ("none", True)):
        network.freeze_encoder(how)
        network.eval()
        network.train()
        assert network.encoder.backbone.drop.training == dropping, how


def test_freezing_survives_eval_and_train() -> None:
    network = tiny().train()
    network.freeze_encoder("full")
    network.eval()
    network.train()
    assert not any(m.training for m in network.encoder.children())
    assert network.decoder.training
    network.freeze_encoder("none")
    assert all(m.training for m in network.modules())


def test_an_unknown_way_of_freezing_is_refused() -> None:
    with pytest.raises(ValueError, match="'half' is unknown"):
        tiny().freeze_encoder("half")


def test_freezing_does_not_change_what_is_predicted(image: Tensor) -> None:
    network = tiny().eval()
    before = network(image)["tp"]
    network.freeze_encoder("reference")
    assert torch.equal(network(image)["tp"], before)


def test_memory_format_is_kept_and_changes_nothing(image: Tensor) -> None:
    network = tiny().eval()
    with torch.no_grad():
        plain = network(image)
        network = network.to(memory_format=torch.channels_last)
        last = network(image.contiguous(memory_format=torch.channels_last))
    assert last["tp"].is_contiguous(memory_format=torch.channels_last)
    for name, out in plain.items():
        torch.testing.assert_close(last[name], out, rtol=1e-4, atol=1e-4)


def test_trains_under_autocast(image: Tensor) -> None:
    network = tiny()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = sum(out.float().square().mean() for out in network(image).values())
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
