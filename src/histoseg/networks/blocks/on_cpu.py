"""Where convolutions may be computed in another way than torch's."""

from __future__ import annotations

import torch
from torch import Tensor


def on_cpu_in_float32(image: Tensor) -> bool:
    """Whether a layer computes on a processor, in float32, with oneDNN.

    Other ways are measured there alone; elsewhere torch's own is taken.
    """
    return (
        image.device.type == "cpu"
        and image.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )
