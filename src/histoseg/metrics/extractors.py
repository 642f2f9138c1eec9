"""Networks that turn pictures into features, for distances between sets of pictures."""

from __future__ import annotations

import hashlib
import importlib
import io
from pathlib import Path

import torch
from torch import Tensor, nn

from histoseg.errors import MissingExtraError
from histoseg.ops.weight_files import read_weights

PUBLISHED = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
"""Where torch-fidelity itself takes the weights (``feature_extractor_inceptionv3.py``)."""


class Inception(nn.Module):
    """The Inception of 2015 that published FIDs are made with, as torch-fidelity has it.

    Args:
        weights: File of its weights; see `PUBLISHED`. Nothing is fetched.
        sha256: Checksum of the file, or its first digits; None leaves it unchecked.

    Raises:
        MissingExtraError: If torch-fidelity is not installed.
        FileNotFoundError: If the file is not there; says where it can be had.
        CheckpointError: If the file is another.
    """

    def __init__(self, weights: str | Path | None, sha256: str | None = None) -> None:
        super().__init__()
        try:
            fidelity = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
        except ImportError as error:
            raise MissingExtraError(
                f"FID with Inception needs torch-fidelity, which is not installed ({error}): "
                "pip install 'histoseg[fid]', or name another extractor"
            ) from error
        missing = f"The weights of Inception are published as {PUBLISHED}: give weights=<file>"
        if weights is None:
            raise FileNotFoundError(missing)
        state = io.BytesIO()
        # torch-fidelity unpickles whatever it is given; so it is given what was read safely
        torch.save(read_weights(Path(weights), sha256, missing), state)
        state.seek(0)
        self.network = fidelity.FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=state
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, 2048) and logits (B, 1008) of (B, 3, H, W), uint8."""
        features, logits = self.network(images)
        return features, logits


def identity(extractor: nn.Module) -> str:
    """SHA-256 of a network: its class and all its weights.

    Two networks of the same identity give the same features, as far as their code is the same.

    Args:
        extractor: The network.
    """
    digest = hashlib.sha256(type(extractor).__qualname__.encode())
    for name, tensor in sorted(extractor.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
