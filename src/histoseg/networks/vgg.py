"""Features of VGG19, by which a perceptual loss compares images."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torchvision.models import VGG19_Weights

from histoseg.errors import CheckpointError
from histoseg.networks.blocks.sizes import check_image
from histoseg.ops.weight_files import in_torchs_cache, read_weights

_BLOCKS = ((1, 2), (2, 2), (4, 4), (8, 4), (8, 1))  # times width, convolutions; to relu5_1


class VGG19Features(nn.Module):
    """Give relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1 of VGG19; nothing in it learns.

    Args:
        pretrained: ``torchvision``: its ImageNet weights, from torch's cache; nothing is
            downloaded. A path: that file, with torchvision's keys. None: random.
        width: Channels of the first block; 64 for torchvision's weights.

    Raises:
        FileNotFoundError: If the weights are not there; the message says where they come from.
        CheckpointError: If the file is damaged or is not of VGG19.

    Source:
        Simonyan and Zisserman 2015; ``torchvision.models.vgg19``; nadeemlab/DeepLIIF
        ``networks.py`` for the choice of layers. Images are not normalised, as there.
    """

    def __init__(self, pretrained: str | Path | None = "torchvision", width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self._taps = []
        given = 3
        for block, (factor, convolutions) in enumerate(_BLOCKS):
            layers += [nn.MaxPool2d(2)] if block else []
            self._taps.append(len(layers) + 1)
            for _ in range(convolutions):
                layers += [nn.Conv2d(given, factor * width, 3, padding=1), nn.ReLU(inplace=True)]
                given = factor * width
        self.features = nn.Sequential(*layers)  # numbered as torchvision's
        if pretrained is not None:
            self.load_state_dict(_pretrained(pretrained, self.state_dict()))
        self.requires_grad_(False)
        self.eval()

    def forward(self, image: Tensor) -> list[Tensor]:
        """Describe an image.

        Args:
            image: (B, 3, H, W), float32; H and W of 16 px or more.

        Returns:
            Five feature maps (B, c, h, w), ``h = H // 1, 2, 4, 8, 16``.

        Raises:
            ValueError: If the image has not three channels.
        """
        check_image(image, 3, 1, "VGG19Features")
        found, x = [], image
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self._taps:
                found.append(x)
        return found


def _pretrained(given: str | Path, own: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take what is needed of a file of torchvision's whole network."""
    url = VGG19_Weights.IMAGENET1K_V1.url
    path, sha256 = in_torchs_cache(url) if given == "torchvision" else (Path(given), None)
    state = read_weights(
        path, sha256, f"The ImageNet weights of VGG19: put {url} there, or give 'pretrained' a path"
    )
    unfit = [
        key for key, value in own.items() if key not in state or state[key].shape != value.shape
    ]
    if unfit:
        raise CheckpointError(
            f"{path} does not hold torchvision's VGG19 (without batch norm): {len(unfit)} of "
            f"{len(own)} tensors are missing or of another shape, such as {unfit[0]}"
        )
    return {key: state[key] for key in own}
