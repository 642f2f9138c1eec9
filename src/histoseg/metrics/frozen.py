"""Networks that a metric uses and that are not a part of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Frozen:
    """A network that is only asked: copies of the metric share it, and no checkpoint holds it.

    Args:
        network: Anything; it is put into evaluation mode.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval().requires_grad_(False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Frozen:
        return self

    @torch.no_grad()
    def __call__(self, *images: Tensor) -> Any:
        """What the network says, on the device of the images and in full precision."""
        device = images[0].device
        with torch.autocast(device.type, enabled=False):  # as published numbers are made
            return self.network.to(device)(*images)
