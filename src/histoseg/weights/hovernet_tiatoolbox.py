"""Weights of TIAToolbox's HoVer-Net: the official keys, bare; HoVer-Net+ has one branch more.

Facts of TIAToolbox (``models/architecture/hovernet.py`` and ``hovernetplus.py``, read at its commit
6fc8a2e): keys, shapes, order of classes and input of 0..255 are those of the official code;
files hold the state dict itself; ``num_types`` counts the background.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from torch import Tensor

_log = logging.getLogger(__name__)
_LAYERS = "decoder.ls."


def without_layers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the branch of HoVer-Net+ that segments layers of epithelium; say so in the log.

    The branches for nuclei are those of a HoVer-Net and do not depend on it.

    Args:
        state: State dict under the official keys.
    """
    kept = {key: value for key, value in state.items() if not key.startswith(_LAYERS)}
    if len(kept) < len(state):
        _log.warning(
            "weights of HoVer-Net+: its layer branch is left out, only nuclei are found. It was "
            "made for 0.5 um/px: model.mpp=0.5 model.postprocess.sobel=11 "
            "model.postprocess.min_size=3"
        )
    return kept
