from __future__ import annotations

import torch
from torch import Tensor


def blind_spots(
    image: Tensor, ratio: float = 0.95, window: int = 10, share: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Hide some values of each channel behind values of pixels nearby.

    In each channel of each image ``int(H * W * (1 - ratio))`` pixels are drawn, each again and
    again; each takes the value that another pixel had, up to half a window away, beyond an edge
    from the other side. Where a pixel is drawn twice the later draw counts, on every device.

    Args:
        image: (B, C, H, W).
        ratio: Share of pixels that stay.
        window: Side of the square that values come from, px: offsets are -5 to 4 for 10.
        share: Probability that an image has blind spots at all.

    Returns:
        The image with other values, and where they are: (B, C, H, W), bool. Of an image that has
        none, all is True: every pixel counts, as the original scores it.

    Raises:
        ValueError: If an argument is out of range.

    Source:
        Krull et al. 2019, https://arxiv.org/abs/1811.10980, as nadeemlab/ImPartial draws them.
    """
    if not 0 <= ratio <= 1 or window < 1 or not 0 <= share <= 1:
        raise ValueError(
            f"ratio {ratio} and share {share}: expected 0 to 1; window {window}: 1 px or more"
        )
    batch, channels, height, width = image.shape
    count = int(height * width * (1 - ratio))
    used = torch.rand(batch, device=image.device) < share
    if not count or not share:
        return image, torch.ones_like(image, dtype=torch.bool)
    shape = (batch * channels, count)
    place = torch.randint(height * width, shape, device=image.device)
    low, high = -(window // 2), window // 2 + window % 2
    down, right = torch.randint(low, high, (2, *shape), device=image.device)
    last = torch.full((shape[0], height * width), -1, device=image.device)
    draw = torch.arange(count, device=image.device).expand(shape)
    draw = last.scatter_reduce_(1, place, draw, "amax").gather(1, place)
    y = (place // width + down.gather(1, draw)) % height
    x = (place % width + right.gather(1, draw)) % width
    values = image.flatten(2).flatten(0, 1)
    hidden = values.scatter(1, place, values.gather(1, y * width + x)).view(image.shape)
    chosen = used.view(-1, 1, 1, 1)
    return torch.where(chosen, hidden, image), (last.view(image.shape) >= 0) | ~chosen
