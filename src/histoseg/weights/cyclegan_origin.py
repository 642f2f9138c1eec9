"""Weights of IHC_HE_GenAI's CycleGAN: its keys <-> ours.

Its networks differ from junyanz's in more than names: no norm behind the first convolution, halving
convolutions that reflect, a discriminator that reflects and ends in a sigmoid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from histoseg.errors import CheckpointError
from histoseg.weights.layers import (
    Layout,
    State,
    StoredNetwork,
    completed,
    described,
    from_ours,
    shape_of,
    to_ours,
)
from histoseg.weights.patchgan_layout import PatchGANLayout, patchgan_of
from histoseg.weights.resnet_layout import ResnetLayout, resnet_of

_GENERATOR = ResnetLayout(
    norm="instance", padding="reflect", dropout=0.0, stem_norm=False, down_padding="reflect"
)
_CRITIC = PatchGANLayout(norm="instance", padding="reflect", sigmoid=True)
_FIRST = {False: "initial_layer.0", True: "0.0"}  # whether the layers stand in one row
_WHAT = "a network of IHC_HE_GenAI"


def is_origin(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has the keys of IHC_HE_GenAI."""
    return any(f"{first}.weight" in state for first in _FIRST.values())


def from_origin(state: Mapping[str, Tensor]) -> StoredNetwork:
    """Translate weights of IHC_HE_GenAI into ours.

    Args:
        state: State dict of its generator or discriminator, also of the fine-tuned ones, whose
            layers stand in one row.

    Raises:
        CheckpointError: If keys or shapes are not those of such a network.
    """
    flat = f"{_FIRST[True]}.weight" in state
    if shape_of(state, _FIRST[flat], _WHAT)[-1] == 7:
        residual = "3." if flat else "residual_layers."
        blocks = len({k.split(".")[1] for k in state if k.startswith(residual)})
        form = replace(_GENERATOR, blocks=blocks)
        weights = to_ours(state, _names(form, flat), _WHAT)
        return completed(resnet_of(weights, form), weights)
    weights = to_ours(state, _names(_CRITIC, flat), _WHAT)
    return completed(patchgan_of(weights, _CRITIC), weights)


def to_origin(stored: StoredNetwork) -> State:
    """Translate weights into the keys of IHC_HE_GenAI; the inverse of `from_origin`.

    Args:
        stored: A complete network.

    Raises:
        CheckpointError: If its code cannot build the network, or weights and layout do not fit.
    """
    if not is_origin_layout(stored.layout):
        raise CheckpointError(
            f"IHC_HE_GenAI cannot build {described(stored.layout)}; its generator is "
            f"{described(_GENERATOR)} and its discriminator {described(_CRITIC)}, of any width"
        )
    return from_ours(stored, _names(stored.layout, flat=False))


def is_origin_layout(layout: Layout) -> bool:
    """Whether a network is one that IHC_HE_GenAI builds."""
    if isinstance(layout, ResnetLayout):
        inputs, width, blocks = layout.inputs, layout.width, layout.blocks
        return layout == replace(
            _GENERATOR, inputs=inputs, outputs=inputs, width=width, blocks=blocks
        )
    if isinstance(layout, PatchGANLayout):
        return layout == replace(_CRITIC, inputs=layout.inputs, width=layout.width)
    return False


def _names(layout: Layout, flat: bool) -> dict[str, str]:
    """Say what its code calls each layer; norms hold nothing."""
    if isinstance(layout, PatchGANLayout):
        prefixes, last = ("", "4") if flat else ("model.", "model.3")
        first = 1 if flat else 0
        names = {f"layers.{i + 1}.conv": f"{prefixes}{first + i}.conv.0" for i in range(3)}
        return {"layers.0.conv": _FIRST[flat]} | names | {"head": last}
    down, residual, up, last = (
        (("1", "2"), "3", ("4", "5"), "6")
        if flat
        else (
            ("downsampling_layers.0", "downsampling_layers.1"),
            "residual_layers",
            ("upsampling_layers.0", "upsampling_layers.1"),
            "last_layer",
        )
    )
    names = {"stem.conv": _FIRST[flat]} | {f"down.{i}.conv": f"{down[i]}.conv.0" for i in range(2)}
    for i in range(vars(layout)["blocks"]):
        for at, part in enumerate(("first", "second")):
            names[f"blocks.{i}.{part}.conv"] = f"{residual}.{i}.block.{at}.conv.0"
    return names | {f"up.{i}.conv": f"{up[i]}.conv.0" for i in range(2)} | {"head": last}
