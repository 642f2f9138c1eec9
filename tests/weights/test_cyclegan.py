from dataclasses import fields, replace
from pathlib import Path, PosixPath
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from histoseg import networks
from histoseg.errors import CheckpointError
from histoseg.weights.cyclegan import CycleGANFolder, read_cyclegan, write_cyclegan
from histoseg.weights.cyclegan_origin import from_origin, to_origin
from histoseg.weights.layers import Layout, StoredNetwork
from histoseg.weights.patchgan_layout import PatchGANLayout, PixelGANLayout
from histoseg.weights.resnet_layout import ResnetLayout
from histoseg.weights.translators import to_official
from histoseg.weights.unet_layout import UNetLayout

GENERATOR = ResnetLayout(width=2, blocks=2, norm="instance", padding="reflect", dropout=0.0)
CRITIC = PatchGANLayout(width=2, norm="instance")
ORIGIN_GENERATOR = replace(GENERATOR, stem_norm=False, down_padding="reflect")
ORIGIN_CRITIC = replace(CRITIC, padding="reflect", sigmoid=True)


def build(layout: Layout) -> nn.Module:
    network: nn.Module = getattr(networks, layout.network)(**vars(layout))
    return network


def stored(layout: Layout) -> StoredNetwork:
    return StoredNetwork(layout, build(layout).state_dict())


def whole(generator: Layout = GENERATOR, critic: Layout = CRITIC) -> CycleGANFolder:
    return CycleGANFolder(*(stored(layout) for layout in (generator, generator, critic, critic)))


def assert_equal(read: CycleGANFolder, written: CycleGANFolder) -> None:
    for field in fields(CycleGANFolder):
        there, here = getattr(read, field.name), getattr(written, field.name)
        assert (there is None) == (here is None)
        if here is not None:
            assert there.layout == here.layout
            assert list(there.weights) == list(here.weights)
            assert all(torch.equal(there.weights[k], v) for k, v in here.weights.items())


@pytest.mark.parametrize("epoch", ["latest", 200])
@pytest.mark.parametrize(
    ("generator", "critic"),
    [
        (GENERATOR, CRITIC),
        (replace(GENERATOR, blocks=1, dropout=0.5), PixelGANLayout(width=2, norm="instance")),
        (ResnetLayout(width=2, blocks=1), replace(CRITIC, norm="batch", layers=2)),
        (UNetLayout(width=1, depth=5, norm="instance"), replace(CRITIC, norm="none")),
    ],
    ids=str,
)
def test_official_folders_there_and_back(
    tmp_path: Path, generator: Layout, critic: Layout, epoch: str | int
) -> None:
    written = whole(generator, critic)
    write_cyclegan(tmp_path, written, epoch)
    names = {f"{epoch}_net_{name}.pth" for name in ("G_A", "G_B", "D_A", "D_B")}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert_equal(read_cyclegan(tmp_path, epoch), written)


def test_the_official_critic_a_judges_domain_b(tmp_path: Path) -> None:
    written = whole()
    write_cyclegan(tmp_path, written)
    state = torch.load(tmp_path / "latest_net_D_A.pth", weights_only=True)
    assert written.critic_b is not None
    assert torch.equal(state["model.0.weight"], written.critic_b.weights["layers.0.conv.weight"])


@pytest.mark.parametrize("name", ["latest_net_G.pth", "latest_net_G_A.pth"])
def test_one_way(tmp_path: Path, name: str) -> None:
    written = stored(GENERATOR)
    torch.save(to_official(written), tmp_path / name)
    for path in (tmp_path, tmp_path / name):
        assert_equal(read_cyclegan(path), CycleGANFolder(written))


def test_the_other_way_alone(tmp_path: Path) -> None:
    written = CycleGANFolder(b_to_a=stored(GENERATOR))
    write_cyclegan(tmp_path, written)
    assert_equal(read_cyclegan(tmp_path), written)


@pytest.mark.parametrize("prefix", ["net{}.", "{}.", "net{}.module."])
def test_one_file_of_all_networks(tmp_path: Path, prefix: str) -> None:
    written = whole()
    state = {
        prefix.format(name) + key: value
        for name, network in written.by_official_name().items()
        for key, value in to_official(network).items()
    }
    torch.save({"state_dict": state, "epoch": 1, "hyper_parameters": {}}, tmp_path / "last.ckpt")
    assert_equal(read_cyclegan(tmp_path / "last.ckpt"), written)


class Folder:
    def __reduce__(self) -> tuple[type, tuple[str]]:
        return PosixPath, ("logs",)


@pytest.mark.parametrize(
    "names",
    [
        ("generator_HE.tar", "generator_IHC.tar", "discriminator_HE.tar", "discriminator_IHC.tar"),
        tuple(f"{n}_150_epochs_b2.pth.tar" for n in ("genHE", "genIHC", "discHE", "discIHC")),
    ],
)
def test_folders_of_the_origin(tmp_path: Path, names: tuple[str, ...]) -> None:
    written = whole(ORIGIN_GENERATOR, ORIGIN_CRITIC)
    networks_ = written.by_official_name().values()
    for name, network in zip(names, networks_, strict=True):
        rest = {"optimizer": {"state": {}}, "log_dir": Folder(), "loss": 1.5}
        torch.save({"epoch": 3, "state_dict": to_origin(network), **rest}, tmp_path / name)
    assert_equal(read_cyclegan(tmp_path), written)
    write_cyclegan(tmp_path / "back", written)
    assert_equal(read_cyclegan(tmp_path / "back"), written)
    assert (tmp_path / "back" / "generator_HE.tar").is_file()


def test_fine_tuned_files_of_the_origin_stand_in_one_row() -> None:
    rows = {
        "initial_layer.0.": "0.0.",
        **{f"downsampling_layers.{i}.": f"{1 + i}." for i in range(2)},
        **{f"residual_layers.{i}.": f"3.{i}." for i in range(2)},
        **{f"upsampling_layers.{i}.": f"{4 + i}." for i in range(2)},
        "last_layer.": "6.",
    }
    critic_rows = {"initial_layer.0.": "0.0.", **{f"model.{i}.": f"{i + 1}." for i in range(4)}}
    for layout, renaming in ((ORIGIN_GENERATOR, rows), (ORIGIN_CRITIC, critic_rows)):
        network = stored(layout)
        state = {}
        for key, value in to_origin(network).items():
            (start,) = [start for start in renaming if key.startswith(start)]
            state[renaming[start] + key.removeprefix(start)] = value
        read = from_origin(state)
        assert read.layout == layout
        assert all(torch.equal(read.weights[k], v) for k, v in network.weights.items())


def reflected(x: Tensor, state: dict[str, Tensor], name: str, pad: int, stride: int = 1) -> Tensor:
    x = functional.pad(x, (pad,) * 4, mode="reflect")
    return functional.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride)


def test_the_origins_generator_computes_what_its_description_says() -> None:
    """Written down once more by its own keys, with functions alone."""
    network = stored(replace(ORIGIN_GENERATOR, width=4))
    state, image = to_origin(network), torch.rand(1, 3, 24, 16) * 2 - 1
    x = reflected(image, state, "initial_layer.0", 3).relu()
    for i in range(2):
        x = reflected(x, state, f"downsampling_layers.{i}.conv.0", 1, 2)
        x = functional.instance_norm(x).relu()
    for i in range(2):
        inner = reflected(x, state, f"residual_layers.{i}.block.0.conv.0", 1)
        inner = functional.instance_norm(inner).relu()
        inner = reflected(inner, state, f"residual_layers.{i}.block.1.conv.0", 1)
        x = x + functional.instance_norm(inner)
    for i in range(2):
        name = f"upsampling_layers.{i}.conv.0"
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        x = functional.conv_transpose2d(x, weight, bias, 2, 1, output_padding=1)
        x = functional.instance_norm(x).relu()
    expected = reflected(x, state, "last_layer", 3).tanh()
    ours = build(network.layout).eval()
    ours.load_state_dict(network.weights)
    torch.testing.assert_close(ours(image), expected, rtol=1e-4, atol=1e-5)


def test_the_origins_critic_computes_what_its_description_says() -> None:
    network = stored(replace(ORIGIN_CRITIC, width=4))
    state, image = to_origin(network), torch.rand(1, 3, 64, 48) * 2 - 1
    x = functional.leaky_relu(reflected(image, state, "initial_layer.0", 1, 2), 0.2)
    for i in range(3):
        x = reflected(x, state, f"model.{i}.conv.0", 1, 1 if i == 2 else 2)
        x = functional.leaky_relu(functional.instance_norm(x), 0.2)
    expected = reflected(x, state, "model.3", 1).sigmoid()
    ours = build(network.layout).eval()
    ours.load_state_dict(network.weights)
    torch.testing.assert_close(ours(image), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("blocks", "parameters"), [(9, 11_378_179), (6, 7_837_699)])
def test_published_size_of_the_origin(blocks: int, parameters: int) -> None:
    layout = replace(ORIGIN_GENERATOR, width=64, blocks=blocks)
    critic = replace(ORIGIN_CRITIC, width=64)
    with torch.device("meta"):
        generator, judge = stored(layout), stored(critic)
    assert sum(value.numel() for value in to_origin(generator).values()) == parameters
    assert sum(value.numel() for value in to_origin(judge).values()) == 2_764_737


def test_what_the_origin_cannot_build_is_not_renamed() -> None:
    for layout in (GENERATOR, CRITIC, replace(ORIGIN_CRITIC, layers=2), UNetLayout(width=1)):
        with (
            torch.device("meta"),
            pytest.raises(CheckpointError, match="IHC_HE_GenAI cannot build"),
        ):
            to_origin(stored(layout))


def test_other_folders_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere"):
        read_cyclegan(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no generator of epoch 'latest'.*there: none"):
        read_cyclegan(tmp_path)
    write_cyclegan(tmp_path, whole(), 5)
    with pytest.raises(FileNotFoundError, match=r"no generator of epoch 'latest'.*there: 5"):
        read_cyclegan(tmp_path)
    (tmp_path / "5_net_D_A.pth").replace(tmp_path / "5_net_G_A.pth")
    with pytest.raises(CheckpointError, match="G_A holds a PatchGAN"):
        read_cyclegan(tmp_path, 5)
    torch.save({"a.weight": torch.zeros(1)}, tmp_path / "5_net_G_A.pth")
    with pytest.raises(CheckpointError, match=r"5_net_G_A\.pth: these are not the weights"):
        read_cyclegan(tmp_path, 5)


@pytest.mark.parametrize("second", ["generator_HE.tar", "latest_net_G.pth"])
def test_two_files_of_one_network_are_refused(tmp_path: Path, second: str) -> None:
    state: dict[str, Any] = to_official(stored(GENERATOR))
    for name in ("latest_net_G_A.pth", second):
        torch.save(state, tmp_path / name)
    with pytest.raises(CheckpointError, match="which are the same network"):
        read_cyclegan(tmp_path)


def test_several_networks_in_a_file_of_one_are_refused(tmp_path: Path) -> None:
    state = to_official(stored(GENERATOR))
    torch.save({f"netG_A.{k}": v for k, v in state.items()}, tmp_path / "latest_net_G_A.pth")
    with pytest.raises(CheckpointError, match="read it by its own path"):
        read_cyclegan(tmp_path)
