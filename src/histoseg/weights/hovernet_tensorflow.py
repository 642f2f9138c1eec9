"""Names of the first, TensorFlow edition of HoVer-Net -> those of the official PyTorch one."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from histoseg.errors import CheckpointError

Rules = tuple[tuple[str, str], ...]
_SUFFIX = ":0"
_BRANCH = "(tp|np|hv)"
_RULES: Rules = (
    (r"^conv0/W$", "conv0./.weight"),
    (r"^conv0/bn/", "conv0.bn."),
    (r"^group(\d)/block0/convshortcut/", r"d\1.shortcut."),
    (r"^group(\d)/bnlast/bn/", r"d\1.blk_bna.bn."),
    (r"^group(\d)/block(\d+)/", r"d\1.units.\2."),
    (rf"^conv_out_{_BRANCH}/", r"decoder.\1.u0.conv."),
    (rf"^preact_out_{_BRANCH}/bn/", r"decoder.\1.u0.bn."),
    (rf"^{_BRANCH}/(u\d)/", r"decoder.\1.\2."),
    (r"\.dense/blk/(\d+)/", r".dense.units.\1."),
    (r"\.dense/blk_bna/bn/", ".dense.blk_bna.bn."),
    (r"/bn/", "/bn."),
    (r"[./]W$", ".weight"),
    (r"[./]b$", ".bias"),
    (r"\.gamma$", ".weight"),
    (r"\.beta$", ".bias"),
    (r"\.mean/EMA$", ".running_mean"),
    (r"\.variance/EMA$", ".running_var"),
)


def is_tensorflow(state: Mapping[str, Tensor]) -> bool:
    """Tell whether the names are TensorFlow's."""
    return all(key.endswith(_SUFFIX) for key in state)


def from_tensorflow(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename weights of the TensorFlow edition and turn their kernels the official way.

    Args:
        state: Tensors under TensorFlow's names, such as ``group0/block1/conv2/W:0``; kernels are
            (height, width, in, out).

    Returns:
        State dict under the official keys, without counters; kernels are (out, in, height, width).

    Raises:
        CheckpointError: If two names mean the same.
    """
    official: dict[str, Tensor] = {}
    for name, value in state.items():
        if "linear" in name:  # the head of a classifier of ImageNet
            continue
        key = renamed(name.removesuffix(_SUFFIX), _RULES)
        if key in official:
            raise CheckpointError(f"{name} is in the file twice, under another name for {key}")
        official[key] = value.permute(3, 2, 0, 1).contiguous() if value.ndim == 4 else value
    return official


def renamed(key: str, rules: Rules) -> str:
    """Apply each rule, a regular expression and what replaces its matches, in turn."""
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key
