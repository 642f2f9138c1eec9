from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing it asks the internet

import albumentations as A  # noqa: N812
import numpy as np

from histoseg.contracts import Array, Record
from histoseg.ops.components import split_components

_MAPS = ("instances", "semantic", "ignore")


class Augment:
    """Change a record at random: an albumentations pipeline that keeps instance maps intact.

    The image and its maps go through the same draws. Afterwards each connected part of the
    instance map is one instance: what a warp tore off or mirrored gets an id of its own. The
    ``place`` stays that of the source, because a warped tile has no corner there.

    Args:
        transforms: Name -> albumentations transform, applied in this order; the names are for
            the command line, and a value of None leaves that one out.

    Attributes:
        needs_donor: Whether a transform takes something of another image.

    Raises:
        TypeError: If a value is not an albumentations transform.

    Source:
        albumentations 2.0.8. Its own ``set_random_seed`` gives every transform the same
        stream, so that two flips always coincide; here all share one generator.
    """

    def __init__(self, transforms: Mapping[str, A.BasicTransform | A.BaseCompose | None]) -> None:
        used = {name: step for name, step in transforms.items() if step is not None}
        for name, step in used.items():
            if not isinstance(step, A.BasicTransform | A.BaseCompose):
                raise TypeError(
                    f"transform {name!r} is {step!r}; expected an albumentations transform, "
                    "in YAML a mapping with _target_"
                )
        self.needs_donor = any(_needs_donor(step) for step in used.values())
        self._pipeline = A.Compose(
            list(used.values()), additional_targets=dict.fromkeys(_MAPS, "mask")
        )

    def __call__(
        self, record: Record, seed: int, donor: Callable[[], Array] | None = None
    ) -> Record:
        """Augment a record.

        Args:
            record: Has "image"; maps are (H, W) of the same size. It is not changed.
            seed: Decides every draw, whatever was called before and in whichever process.
            donor: Reads another image, for transforms that take something of one.

        Returns:
            The augmented record: same keys and types, the size that the transforms leave.

        Raises:
            ValueError: If image and maps differ in size, or the record has points: a warp mirrors
                nuclei that have none, so annotated points are for evaluation only.
        """
        if "points" in record:
            raise ValueError("a record with points is for evaluation and is not augmented")
        self._pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))
        arrays, ids = _arrays(record)
        if donor is not None:
            arrays["donor"] = donor
        out = self._pipeline(**arrays)
        augmented = record.copy()
        augmented["image"] = out["image"]
        if "instances" in record:
            instances = out["instances"] if ids is None else ids.take(out["instances"])
            augmented["instances"] = split_components(instances)
        if "semantic" in record:
            augmented["semantic"] = out["semantic"]
        if "ignore" in record:
            augmented["ignore"] = out["ignore"].astype(bool)
        return augmented


def _arrays(record: Record) -> tuple[dict[str, Any], Array | None]:
    """Image and maps as the pipeline takes them, and the table back to the ids if there is one."""
    arrays: dict[str, Any] = {"image": record["image"]}
    ids: Array | None = None
    if "instances" in record:
        arrays["instances"], ids = _narrow(record["instances"])
    if "semantic" in record:
        arrays["semantic"] = record["semantic"]
    if "ignore" in record:
        arrays["ignore"] = record["ignore"].astype(np.uint8)  # OpenCV warps no bool
    return arrays, ids


def _needs_donor(step: A.BasicTransform | A.BaseCompose) -> bool:
    if isinstance(step, A.BaseCompose):
        return any(_needs_donor(part) for part in step.transforms)
    return "donor" in step.targets_as_params


def _narrow(labels: Array) -> tuple[Array, Array | None]:
    """Ids as uint16, which every OpenCV warps, and the table that leads back if they are others."""
    if int(labels.max(initial=0)) < 2**16:
        return labels.astype(np.uint16), None
    ids, position = np.unique(labels, return_inverse=True)
    if len(ids) > 2**16 - 1:
        raise ValueError(f"{len(ids)} instances in one record; at most 65534 can be augmented")
    if ids[0] != 0:  # a warp may fill with 0, which must stay background
        ids, position = np.insert(ids, 0, 0), position + 1
    return position.reshape(labels.shape).astype(np.uint16), ids.astype(np.int32)
