"""Networks of ours and those of files: compared, filled, and described."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from histoseg.errors import CheckpointError
from histoseg.networks import AttentionUNet, PatchGAN, PixelGAN, ResnetGenerator, UNetGenerator
from histoseg.ops.weight_files import read_checkpoint
from histoseg.weights.layers import Layout, StoredNetwork, described
from histoseg.weights.patchgan_layout import PatchGANLayout, patchgan_of, pixelgan_of
from histoseg.weights.resnet_layout import ResnetLayout, resnet_of
from histoseg.weights.unet_layout import AttentionUNetLayout, unet_of

_NAMES = {"zeros": "zero"}
_UNSEEN = ("padding", "stem_norm", "down_padding", "sigmoid")  # what no shape tells


def fill(
    network: nn.Module, given: StoredNetwork, what: str, advice: str = "set model.network to it"
) -> None:
    """Load the weights of a file.

    Args:
        network: Of the same kind; how strongly it drops out is its own affair.
        given: What the file holds.
        what: The file and the network, for the message.
        advice: What to do where they differ, likewise.

    Raises:
        CheckpointError: If it is another network than the configured one.
    """
    own = {key: value.shape for key, value in network.state_dict().items()}
    fits = own == {key: value.shape for key, value in given.weights.items()}
    if fits:
        here, there = vars(layout_of(network)), vars(given.layout)
        fits = all(here.get(name) == there.get(name) for name in _UNSEEN)
    if not fits:
        raise CheckpointError(
            f"{what} is {described(given.layout)}, the configured one is "
            f"{described(layout_of(network))}: {advice}"
        )
    network.load_state_dict(given.weights)


def stored(network: nn.Module) -> StoredNetwork:
    """A network as files hold it.

    Raises:
        CheckpointError: If it is of a kind that no original has.
    """
    weights = {key: value.contiguous() for key, value in network.state_dict().items()}
    return StoredNetwork(layout_of(network), weights)


def load_checkpoint(module: nn.Module, path: Path) -> None:
    """Load generators and discriminators of a checkpoint of histoseg.

    Raises:
        CheckpointError: If it is damaged, of another program, or does not fit.
    """
    content = read_checkpoint(path)
    if "histoseg" not in content:
        raise CheckpointError(
            f"{path} was not written by histoseg; files of the original are given as their folder"
        )
    try:
        module.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit the configured model: {error}") from error


def layout_of(network: nn.Module) -> Layout:
    """Which network it is, in the words of files.

    Raises:
        CheckpointError: If it is of a kind that no original has.
    """
    weights: dict[str, Tensor] = network.state_dict()
    if isinstance(network, ResnetGenerator):
        dropout = next((m.p for m in network.modules() if isinstance(m, nn.Dropout)), 0.0)
        form = ResnetLayout(
            padding=_padding(network.blocks),
            dropout=dropout,
            upsampling=network.upsampling,
            stem_norm=not isinstance(network.stem.norm, nn.Identity),
            down_padding=_padding(network.down),
        )
        return resnet_of(weights, form)
    if isinstance(network, UNetGenerator):
        return unet_of(weights, network.dropout.p)
    if isinstance(network, AttentionUNet):
        return AttentionUNetLayout(network.inputs)
    if isinstance(network, PatchGAN):
        judge = PatchGANLayout(padding=_padding(network), sigmoid=network.sigmoid)
        return patchgan_of(weights, judge)
    if isinstance(network, PixelGAN):
        return pixelgan_of(weights)
    raise CheckpointError(f"the original has no network like {type(network).__name__}")


def _padding(part: nn.Module) -> str:
    """How the first convolution of a part continues an image."""
    conv = next((m for m in part.modules() if isinstance(m, nn.Conv2d)), None)
    return "zero" if conv is None else _NAMES.get(conv.padding_mode, conv.padding_mode)
