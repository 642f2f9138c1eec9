"""How weights differ from those of a network."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def unlike(weights: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Say which keys are missing, unknown or of another shape, the first three of each.

    Args:
        weights: By key.
        shapes: Those that they should have.

    Returns:
        In words; empty where nothing differs.
    """
    missing = [key for key in shapes if key not in weights]
    unknown = [key for key in weights if key not in shapes]
    unfit = [
        f"{key} {tuple(weights[key].shape)} instead of {shape}"
        for key, shape in shapes.items()
        if key in weights and tuple(weights[key].shape) != shape
    ]
    return "; ".join(
        f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for what, keys in (("missing", missing), ("unknown", unknown), ("of another shape", unfit))
        if keys
    )
