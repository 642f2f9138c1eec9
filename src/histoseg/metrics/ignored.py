"""What is not annotated is not scored."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def without_ignored(maps: Mapping[str, Tensor], ignore: Tensor) -> dict[str, Tensor]:
    """Drop the objects that lie more than half in ignored pixels.

    The rule is the same for annotated and for predicted objects: whoever has more than half of
    its pixels ignored is gone from its map, whole; all others stay, with all of their pixels.

    Args:
        maps: A label map (B, H, W), int64, called ``instances`` or ``pred_instances``, and the
            class map that goes with it; what else there is stays as it is.
        ignore: (B, H, W), bool.

    Returns:
        New maps under the same names.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> labels = torch.tensor([[[4, 4, 4, 0, 9, 9]]])
        >>> ignore = torch.tensor([[[True, True, False, True, True, False]]])
        >>> without_ignored({"instances": labels}, ignore)["instances"]
        tensor([[[0, 0, 0, 0, 9, 9]]])
    """
    labels = next((m for name, m in maps.items() if name.endswith("instances")), None)
    if labels is None:
        return dict(maps)
    if labels.shape != ignore.shape:
        raise ValueError(
            f"labels are {tuple(labels.shape)}, ignore {tuple(ignore.shape)}; "
            "crop both to the same region"
        )
    ignore = ignore.to(labels.device)
    gone = torch.stack([_mostly(one, where) for one, where in zip(labels, ignore, strict=True)])
    cleared = {
        name: m.masked_fill(gone.to(m.device), 0)
        for name, m in maps.items()
        if name.removeprefix("pred_") in ("instances", "semantic")
    }
    return dict(maps) | cleared


def _mostly(labels: Tensor, ignore: Tensor) -> Tensor:
    """Pixels (H, W) of the objects that have more than half of their pixels ignored."""
    ids, row = torch.unique(labels, return_inverse=True)
    area = torch.bincount(row.flatten(), minlength=len(ids))
    lost = torch.bincount(row[ignore], minlength=len(ids))
    dropped: Tensor = (2 * lost > area) & (ids > 0)
    return dropped.index_select(0, row.flatten()).view(labels.shape)
