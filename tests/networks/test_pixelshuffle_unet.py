from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from histoseg.networks import PixelShuffleUNet
from histoseg.networks.blocks.pixel_shuffle import PixelShuffle, SelfAttention

PUBLISHED, OF_THE_ENCODER = 41_221_168, 21_284_672


def narrow(outputs: int = 2, **settings: Any) -> PixelShuffleUNet:
    return PixelShuffleUNet(outputs, encoder="test_resnet", **settings).eval()


def count(parameters: Any) -> int:
    return sum(p.numel() for p in parameters)


@pytest.fixture(scope="module")
def published() -> PixelShuffleUNet:
    with torch.device("meta"):
        return PixelShuffleUNet(2)


def test_it_has_the_published_number_of_parameters(published: PixelShuffleUNet) -> None:
    assert count(published.parameters()) == PUBLISHED
    assert count(published.encoder.parameters()) == OF_THE_ENCODER


@pytest.mark.parametrize(("channels", "outputs"), [(1, 2), (5, 4)])
def test_channels_and_classes_cost_what_they_must(channels: int, outputs: int) -> None:
    with torch.device("meta"):
        network = PixelShuffleUNet(outputs, channels)

    def end(c: int, k: int) -> int:
        width = 96 + c
        return 64 * 49 * c + 2 * (9 * width * width + width) + (width + 1) * k

    assert count(network.parameters()) == PUBLISHED + end(channels, outputs) - end(3, 2)


def test_the_skips_are_those_of_the_stages(published: PixelShuffleUNet) -> None:
    info = published.encoder.feature_info
    assert [info.channels()[i] for i in published.taps] == [64, 64, 128, 256, 512]
    assert [info.reduction()[i] for i in published.taps] == [2, 4, 8, 16, 32]
    assert [b.channels for b in published.blocks] == [512, 384, 256, 96]


def test_any_size_comes_back(published: PixelShuffleUNet) -> None:
    for size in ((32, 32), (127, 130), (256, 256), (400, 400)):
        assert published(torch.empty(2, 3, *size, device="meta")).shape == (2, 2, *size)
    assert narrow()(torch.rand(1, 3, 37, 70)).isfinite().all()


def test_at_the_start_the_four_pixels_of_a_shuffle_are_alike() -> None:
    shuffles = [m for m in narrow().modules() if isinstance(m, PixelShuffle)]
    assert len(shuffles) == 5
    for shuffle in shuffles:
        given = shuffle.conv[0].in_channels  # type: ignore[union-attr]
        grown = shuffle(torch.randn(1, given, 3, 4))  # type: ignore[call-overload]
        torch.testing.assert_close(grown, functional.interpolate(grown[..., ::2, ::2], (6, 8)))
        assert grown.std() > 0


def test_the_decoder_starts_as_in_fastai_1() -> None:
    network = narrow()
    assert network.bridge_norm.bias.unique().tolist() == [pytest.approx(1e-3)]
    for block in network.blocks:
        assert block.norm.weight.unique().tolist() == [1.0]  # type: ignore[union-attr, operator]
    assert not any(
        m.bias.any()
        for n, m in network.named_modules()
        if isinstance(m, nn.Conv2d) and not n.startswith("encoder") and m.bias is not None
    )


def test_the_residual_block_adds_to_what_it_gets() -> None:
    network, image = narrow(), torch.rand(1, 3, 64, 64)
    seen: list[Tensor] = []
    network.cross.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    for conv in (network.cross[1][0], network.cross[0][0]):  # type: ignore[index]
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)
    with torch.no_grad():
        torch.testing.assert_close(network(image), network.head(seen[0]))
        torch.testing.assert_close(seen[0][:, -3:], image)


OPTIONS: list[dict[str, Any]] = [
    {"blur": True},
    {"blur": True, "blur_final": False},
    {"self_attention": True},
    {"last_cross": False},
    {"bottle": True},
    {"norm": "batch"},
    {"act": "gelu"},
    {"standardise": True},
    {"in_channels": 1},
    {"in_channels": 7},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_learn(options: dict[str, Any]) -> None:
    network = narrow(**options).train()
    channels = options.get("in_channels", 3)
    network(torch.rand(2, channels, 64, 64)).square().mean().backward()
    lacking = [n for n, p in network.named_parameters() if p.grad is None]
    assert lacking == []


def test_options_change_what_they_say() -> None:
    def blurred(network: PixelShuffleUNet) -> list[bool]:
        return [bool(b.shuffle.blur) for b in network.blocks]  # type: ignore[union-attr]

    assert blurred(narrow()) == [False] * 4
    assert blurred(narrow(blur=True)) == [True] * 4
    assert blurred(narrow(blur=True, blur_final=False)) == [True, True, True, False]
    assert not narrow(blur=True).last_shuffle.blur
    with_attention = [
        i
        for i, block in enumerate(narrow(self_attention=True).blocks)
        if any(isinstance(m, SelfAttention) for m in block.modules())
    ]
    assert with_attention == [1]
    assert narrow(bottle=True).cross[0][0].out_channels == narrow().head.in_channels // 2  # type: ignore[index]


def test_attention_starts_as_nothing_and_then_looks_at_all_pixels() -> None:
    attention, x = SelfAttention(8).eval(), torch.randn(1, 8, 3, 5)
    torch.testing.assert_close(attention(x), x)
    nn.init.ones_(attention.gamma)
    pixels = x.flatten(2)[0]
    query, key, value = (
        getattr(attention, n).weight[..., 0] @ pixels for n in ("query", "key", "value")
    )
    share = torch.softmax(query.T @ key, dim=0)
    torch.testing.assert_close(attention(x).flatten(2)[0], value @ share + pixels)


def test_a_blur_is_the_mean_of_four_pixels() -> None:
    plain, blurred = PixelShuffle(2, 2), PixelShuffle(2, 2, blur=True)
    blurred.load_state_dict(plain.state_dict())
    x = torch.randn(1, 2, 3, 3)
    grown, mean = plain(x), blurred(x)
    torch.testing.assert_close(mean[..., 1:, 1:], functional.avg_pool2d(grown, 2, 1))
    torch.testing.assert_close(mean[..., 0, 0], grown[..., 0, 0])


def test_channels_last_and_half_precision_give_the_same() -> None:
    network, image = narrow(), torch.rand(1, 3, 96, 64)
    with torch.no_grad():
        plain = network(image)
        with torch.autocast("cpu", torch.bfloat16):
            half = network(image).float()
        last = network.to(memory_format=torch.channels_last)(
            image.to(memory_format=torch.channels_last)
        )
    torch.testing.assert_close(last, plain, atol=1e-5, rtol=1e-4)
    assert (half - plain).abs().max() < 0.05 * plain.abs().max()
    assert torch.corrcoef(torch.stack([half.flatten(), plain.flatten()]))[0, 1] > 0.995


def test_other_encoders_and_their_depths() -> None:
    for name, early in (("convnext_atto", 0), ("lcnet_050", 0), ("vgg11", 1)):
        with torch.device("meta"):
            network = PixelShuffleUNet(2, encoder=name)
        groups = network.layer_groups()
        assert [*groups] == ["early", "late", "decoder"]
        assert sum(map(count, groups.values())) == count(network.parameters())
        assert len(groups["early"]) > early, name
    assert isinstance(network.last_shuffle, nn.Identity)  # VGG has features of full size


def test_the_groups_are_cut_where_fastai_cuts(published: PixelShuffleUNet) -> None:
    own = {id(p): ".".join(n.split(".")[:2]) for n, p in published.named_parameters()}
    groups = {k: {own[id(p)] for p in v} for k, v in published.layer_groups().items()}
    assert groups["early"] == {f"encoder.{n}" for n in ("conv1", "bn1", "layer1", "layer2")}
    assert groups["late"] == {"encoder.layer3", "encoder.layer4"}
    assert not any(name.startswith("encoder") for name in groups["decoder"])


def test_the_first_stage_trains_the_batch_norms_of_the_encoder() -> None:
    network = narrow()
    network.freeze_encoder("convs")
    network.train()
    learning = {n for n, p in network.encoder.named_parameters() if p.requires_grad}
    norms = {n for n, m in network.encoder.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert learning == {f"{n}.{entry}" for n in norms for entry in ("weight", "bias")}
    assert all(m.training for m in network.encoder.modules())
    assert all(p.requires_grad for p in network.bridge.parameters())
    network.freeze_encoder("full")
    assert not any(p.requires_grad for p in network.encoder.parameters())
    assert not network.train().encoder.training
    network.freeze_encoder("none")
    assert all(p.requires_grad for p in network.parameters())


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="one resolution only"):
        PixelShuffleUNet(2, encoder="vit_tiny_patch16_224")
    with pytest.raises(ValueError, match="no encoder 'resnet35'"):
        PixelShuffleUNet(2, encoder="resnet35")
    with pytest.raises(ValueError, match="norm 'group'"):
        narrow(norm="group")
    with pytest.raises(ValueError, match="freeze 'half'"):
        narrow().freeze_encoder("half")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\), got shape \(1, 1, 32, 32\)"):
        narrow()(torch.rand(1, 1, 32, 32))
