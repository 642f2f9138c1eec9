"""Official HoVer-Net weights: their keys <-> ours, complete and strict, dict -> dict.

The official code names modules with slashes and dots of its own and keeps a constant buffer; both
are translated here, so that no other room knows of them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from histoseg.errors import CheckpointError
from histoseg.ops.weight_files import read_checkpoint
from histoseg.weights.hovernet_layout import COUNTER, difference, layout_of
from histoseg.weights.hovernet_tensorflow import Rules, from_tensorflow, is_tensorflow, renamed
from histoseg.weights.hovernet_tiatoolbox import without_layers

_log = logging.getLogger(__name__)
_CONSTANT = "upsample2x.unpool_mat"
_PARALLEL = "module."

_TO_OURS: Rules = (
    (r"^conv0\./\.", "encoder.conv0."),
    (r"^conv0\.bn\.", "encoder.bn0."),
    (r"^(d\d\.)", r"encoder.\1"),
    (r"\.preact(_bna)?/bn\.", ".bn0."),
    (r"\.conv(\d)/bn\.", r".bn\1."),
    (r"\.blk_bna\.bn\.", ".bn."),
    (r"\.u1\.conva\.", ".u1."),
)
_TO_OFFICIAL: Rules = (
    (r"^encoder\.conv0\.", "conv0./."),
    (r"^encoder\.bn0\.", "conv0.bn."),
    (r"^(decoder\..*\.units\.\d+)\.bn0\.", r"\1.preact_bna/bn."),
    (r"\.bn0\.", ".preact/bn."),
    (r"\.bn(\d)\.", r".conv\1/bn."),
    (r"^(encoder\.d\d|decoder\..*\.dense)\.bn\.", r"\1.blk_bna.bn."),
    (r"\.u1\.", ".u1.conva."),
    (r"^encoder\.", ""),
)


class EncoderWeights(NamedTuple):
    """Weights of the encoder alone, for ``load_state_dict(weights.found, strict=False)``.

    Attributes:
        found: Our keys and their tensors.
        missing: Our keys of the encoder that the file lacks.
        ignored: Keys of the file that are not of the encoder.
    """

    found: dict[str, Tensor]
    missing: list[str]
    ignored: list[str]


def read_official(path: Path) -> dict[str, Tensor]:
    """Read a file of the original or of TIAToolbox, of a whole network or of an encoder.

    Args:
        path: The file (``.tar``, ``.pth``, ``.npz``); what it holds may be wrapped as
            ``{"desc": ...}``, and arrays may have the names of the TensorFlow edition.

    Returns:
        State dict under the official keys, without ``module.``, for `from_official` or
        `encoder_from_official`.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is damaged or holds anything but weights by name.
    """
    content = read_checkpoint(path)
    state = content.get("desc", content)
    named = isinstance(state, dict) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    )
    if not named or not state:
        raise CheckpointError(
            f"{path} holds {str(list(content)[:3])[1:-1] or 'nothing'}, and not tensors by name; "
            "expected an official HoVer-Net file: a state dict, bare or under 'desc'"
        )
    if is_tensorflow(state):
        return from_tensorflow(state)
    return without_layers(_without_module(state))


def from_official(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Translate official weights into ours; every tensor must be there and fit.

    Args:
        official: State dict of the official code, with or without ``module.`` before every key and
            with or without counters of batches (files converted from TensorFlow have none).

    Returns:
        State dict of `networks.HoVerNet`; tensors are not copied. `layout_of` says which network.

    Raises:
        CheckpointError: If keys or shapes are not those of a HoVer-Net.
    """
    official = _without_module(official)
    strange = [key for key in official if renamed(renamed(key, _TO_OURS), _TO_OFFICIAL) != key]
    if strange:
        raise CheckpointError(
            f"{len(strange)} keys are not of the official HoVer-Net ({', '.join(strange[:3])}); "
            "expected keys such as 'conv0./.weight'"
        )
    weights = _translate(official)
    layout_of(weights)
    return weights


def to_official(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Translate our weights into the official ones; the inverse of `from_official`.

    ``torch.save({"desc": to_official(weights)}, path)`` is what the official code loads, if the
    network has the published size (`check_published`).

    Args:
        weights: State dict of `networks.HoVerNet` with the published encoder.

    Returns:
        State dict under the official keys, the constant buffer included.

    Raises:
        CheckpointError: If keys or shapes are not those of a HoVer-Net.
    """
    layout_of(weights)
    official = {renamed(key, _TO_OFFICIAL): value for key, value in weights.items()}
    return official | {_CONSTANT: torch.ones(2, 2)}


def encoder_from_official(
    official: Mapping[str, Tensor], fresh: Mapping[str, Tensor]
) -> EncoderWeights:
    """Take what an official file holds of the encoder, such as one trained on ImageNet.

    Not strict by design: these files lack the decoder and often ``conv_bot``. What was found is
    logged.

    Args:
        official: State dict under the official keys.
        fresh: State dict of the network that is to get the weights.

    Returns:
        What was found, what the file lacks and what was left aside.

    Raises:
        CheckpointError: If nothing in the file is of the encoder, or a shape differs.
    """
    official = _without_module(official)
    wanted = [key for key in fresh if key.startswith(("encoder.", "conv_bot."))]
    given = _translate(official)
    found = {key: given[key] for key in wanted if key in given}
    if not any(not key.endswith(COUNTER) for key in found):
        raise CheckpointError(
            f"no key is of the network's encoder; {len(official)} came, such as "
            f"{', '.join(repr(key) for key in list(official)[:3])}; expected keys such as "
            "'conv0./.weight' and a network with the published encoder"
        )
    for key, value in found.items():
        if value.shape != fresh[key].shape:
            raise CheckpointError(
                f"{key} has shape {tuple(value.shape)} in the file and {tuple(fresh[key].shape)} "
                "in the network; give both the same width and image channels"
            )
    missing = [key for key in wanted if key not in found]
    ignored = [key for key in official if renamed(key, _TO_OURS) not in found]
    _log.info(
        "encoder: %d tensors loaded, %d missing %s, %d ignored %s",
        len(found),
        len(missing),
        missing[:3],
        len(ignored),
        ignored[:3],
    )
    return EncoderWeights(found, missing, ignored)


def with_other_classes(
    weights: Mapping[str, Tensor], fresh: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Fit trained weights to a network with other classes: only its class head starts anew.

    Where the trained network has no class branch, the whole branch starts anew.

    Args:
        weights: Trained state dict of a `networks.HoVerNet`.
        fresh: State dict of the network that is to get them.

    Returns:
        A complete state dict of that network.

    Raises:
        CheckpointError: If the two differ in anything but classes.
    """
    fitted = {}
    for key, start in fresh.items():
        fits = key in weights and weights[key].shape == start.shape
        if not fits and not key.startswith("decoder.tp."):
            raise CheckpointError(_unfit(weights, fresh, key))
        fitted[key] = weights[key] if fits else start
    return fitted


def _unfit(weights: Mapping[str, Tensor], fresh: Mapping[str, Tensor], key: str) -> str:
    """Why weights do not go into a network, and what to set."""
    try:
        return difference(layout_of(weights), layout_of(fresh))
    except CheckpointError:  # one of them has another encoder
        return (
            f"the weights differ from the network in {key}, not only in classes; give a network of "
            "the same mode, width and encoder"
        )


def _translate(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename keys, drop the constant and add the counters that converted files lack."""
    weights = {renamed(k, _TO_OURS): value for k, value in official.items() if k != _CONSTANT}
    for key in list(weights):
        if key.endswith(".running_var"):
            counter = key.removesuffix("running_var") + COUNTER
            weights.setdefault(counter, torch.zeros((), dtype=torch.int64))
    return weights


def _without_module(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take off what DataParallel puts before every key."""
    parallel = all(key.startswith(_PARALLEL) for key in state)
    return {key.removeprefix(_PARALLEL) if parallel else key: v for key, v in state.items()}
