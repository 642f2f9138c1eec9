"""Refusal of images that a network cannot take, before a layer stumbles over them."""

from __future__ import annotations

from torch import Tensor


def check_image(image: Tensor, channels: int, multiple: int, name: str) -> None:
    """Refuse an image of another number of channels, or whose sides do not divide.

    Args:
        image: What came; expected (B, channels, H, W).
        channels: Channels that the network was built for.
        multiple: What height and width must divide by, pixels.
        name: The network's name, for the message.

    Raises:
        ValueError: If the image does not fit; the message names the next size that does.
    """
    if image.ndim != 4 or image.shape[1] != channels:
        raise ValueError(
            f"{name}: expected an image (B, {channels}, H, W), got shape {tuple(image.shape)}"
        )
    height, width = image.shape[-2:]
    if height < 1 or width < 1 or height % multiple or width % multiple:
        near = (max(1, -(-side // multiple)) * multiple for side in (height, width))
        raise ValueError(
            f"{name}: an image of {height} x {width} px does not fit, height and width must divide "
            f"by {multiple}; pad or resize it, the next size that works is "
            f"{' x '.join(map(str, near))}"
        )
