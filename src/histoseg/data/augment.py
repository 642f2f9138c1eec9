from __future__ import annotations

import copy
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing it asks the internet

import albumentations as A  # noqa: N812
import numpy as np

from histoseg.contracts import Array, Record
from histoseg.data.tile import frame_of
from histoseg.errors import UnreadableFileError
from histoseg.ops.components import split_components

_MAPS = ("instances", "semantic", "ignore", "scribbles", "held_out")
_BOOL = ("ignore", "scribbles", "held_out")


class Augment:
    """Change a record at random: an albumentations pipeline that keeps instance maps intact.

    The image, its maps, its scribbles and its stains go through the same draws; colours change in
    the image and in the stains of ``recolour`` alone. Stains that show different tissue
    (``paired`` is False) have draws of their own. Afterwards each connected part of the
    instance map is one instance: what a warp tore off or mirrored gets an id of its own. The
    ``place`` stays that of the source, because a warped tile has no corner there.

    Args:
        transforms: Name -> albumentations transform, applied in this order; the names are for
            the command line, and a value of None leaves that one out.
        label_stains: Stains that are label pictures: warped to the nearest pixel, never recoloured.
        recolour: Stains whose colours, noise and sharpness may change.
        paired: Whether the stains of a record show the same tissue. If not, `Tiles` also takes each
            from another record.
        whole: Likewise, what is done to whole images in validation and test, where training
            resizes. Without chance.
        smallest: Side, px, below which a picture is refused instead of mirrored; 0 refuses none.

    Attributes:
        whole: An `Augment` of these; None for nothing.
        transforms: Those that are used, by name.
        needs_donor: Whether a transform takes something of another image.

    Raises:
        TypeError: If a value is not an albumentations transform.
        ValueError: If a stain is in both lists.

    Source:
        albumentations 2.0.8. Its own ``set_random_seed`` gives every transform the same
        stream, so that two flips always coincide; here all share one generator.
    """

    def __init__(
        self,
        transforms: Mapping[str, A.BasicTransform | A.BaseCompose | None],
        label_stains: Sequence[str] = (),
        recolour: Sequence[str] = (),
        paired: bool = True,
        whole: Mapping[str, A.BasicTransform | A.BaseCompose | None] | None = None,
        smallest: int = 0,
    ) -> None:
        if both := set(label_stains) & set(recolour):
            raise ValueError(f"{sorted(both)} are label pictures: leave them out of recolour")
        used = {name: step for name, step in transforms.items() if step is not None}
        for name, step in used.items():
            if not isinstance(step, A.BasicTransform | A.BaseCompose):
                raise TypeError(
                    f"transform {name!r} is {step!r}; expected an albumentations transform, "
                    "in YAML a mapping with _target_"
                )
        self.transforms = used
        self.label_stains, self.recolour = frozenset(label_stains), frozenset(recolour)
        self.paired, self.smallest = paired, smallest
        self.whole = Augment(whole, label_stains, paired=paired) if whole else None
        self._leaves = [leaf for step in used.values() for leaf in _leaves(step)]
        self.needs_donor = any("donor" in leaf.targets_as_params for leaf in self._leaves)
        self._pipeline = A.Compose(
            list(used.values()), additional_targets=dict.fromkeys(_MAPS, "mask")
        )

    def __call__(
        self, record: Record, seed: int, donor: Callable[[], Array] | None = None
    ) -> Record:
        """Augment a record.

        Args:
            record: Has "image" or "stains"; maps are (H, W) of the same size, and so are stains
                that are paired. It is not changed.
            seed: Decides every draw, whatever was called before and in whichever process.
            donor: Reads another image, for transforms that take something of one.

        Returns:
            The augmented record: same keys and types, the size that the transforms leave.

        Raises:
            ValueError: If image, maps and paired stains differ in size, or the record has points:
                a warp mirrors nuclei that have none, so annotated points are for evaluation only.
            UnreadableFileError: If a picture is smaller than ``smallest``.
        """
        if "points" in record:
            raise ValueError("a record with points is for evaluation and is not augmented")
        self._check_sides(record)
        if "stains" in record and not self.paired:
            return self._each_by_itself(record, seed)
        return self._together(record, seed, donor)

    def _check_sides(self, record: Record) -> None:
        pictures = record.get("stains") or {"image": frame_of(record)}
        for name, picture in pictures.items():
            height, width = picture.shape[:2]
            if min(height, width) < self.smallest:
                item = record["place"].slide if "place" in record else "a record"
                raise UnreadableFileError(
                    f"{item}: {name!r} is {height} x {width} pixels (height x width), the crop "
                    f"{self.smallest}. Take it out, set a smaller data.tile and model.tile, resize "
                    "pictures with data/augment=cyclegan_official, or have edges mirrored with "
                    "data.augment.smallest=0"
                )

    def alone(self, name: str) -> Augment:
        """The augmentation with one transform only, which then is always applied."""
        step = copy.deepcopy(self.transforms[name])
        step.p = 1.0
        if getattr(step, "p_warp", 0):
            step.p_warp = 1.0  # of `RandomTile`, which else mostly cuts
        labels, recolour = sorted(self.label_stains), sorted(self.recolour)
        return Augment({name: step}, labels, recolour, paired=self.paired)

    def _each_by_itself(self, record: Record, seed: int) -> Record:
        augmented = record.copy()
        seeds = np.random.default_rng([seed, 2]).integers(2**32, size=len(record["stains"]))
        augmented["stains"] = {
            name: self._together(Record(stains={name: picture}), own, None)["stains"][name]
            for (name, picture), own in zip(record["stains"].items(), seeds.tolist(), strict=True)
        }
        return augmented

    def _together(self, record: Record, seed: int, donor: Callable[[], Array] | None) -> Record:
        self._pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))
        arrays, ids = _arrays(record)
        stains = self._as_targets(record)
        if donor is not None:
            arrays["donor"] = donor
        out = self._pipeline(**arrays, **{key: picture for key, (_, picture) in stains.items()})
        augmented = record.copy()
        if "image" in record:
            augmented["image"] = out["image"]
        if "stains" in record:
            augmented["stains"] = {name: out[key] for key, (name, _) in stains.items()}
        if "instances" in record:
            instances = out["instances"] if ids is None else ids.take(out["instances"])
            augmented["instances"] = split_components(instances)
        if "semantic" in record:
            augmented["semantic"] = out["semantic"]
        for key in _BOOL:
            if key in record:
                augmented[key] = out[key].astype(bool)  # type: ignore[literal-required]
        return augmented

    def _as_targets(self, record: Record) -> dict[str, tuple[str, Array]]:
        """Tell the transforms which stains they change: key there -> name and picture."""
        size = frame_of(record).shape[:2]
        targets = {}
        for name, picture in record.get("stains", {}).items():
            if picture.shape[:2] != size:
                raise ValueError(
                    f"stain {name!r} is {picture.shape[:2]} pixels, the others {size}: pictures of "
                    "different tissue need augment.paired=false"
                )
            key = f"stain {name}"
            targets[key] = name, picture
            kind = "mask" if name in self.label_stains else "image"
            for leaf in self._leaves:
                if name in self.recolour or not isinstance(leaf, A.ImageOnlyTransform):
                    leaf.add_targets({key: kind})
        return targets


def _arrays(record: Record) -> tuple[dict[str, Any], Array | None]:
    """Image and maps as the pipeline takes them, and the table back to the ids if there is one."""
    # without an image, a blank of its size: transforms ask an image for the size
    frame = frame_of(record)
    image = record["image"] if "image" in record else np.zeros((*frame.shape[:2], 3), np.uint8)
    arrays: dict[str, Any] = {"image": image}
    ids: Array | None = None
    if "instances" in record:
        arrays["instances"], ids = _narrow(record["instances"])
    if "semantic" in record:
        arrays["semantic"] = record["semantic"]
    for key in _BOOL:
        if key in record:
            arrays[key] = record[key].astype(np.uint8)  # type: ignore[literal-required]  # OpenCV warps no bool
    return arrays, ids


def _leaves(step: A.BasicTransform | A.BaseCompose) -> Iterator[A.BasicTransform]:
    if isinstance(step, A.BaseCompose):
        for part in step.transforms:
            yield from _leaves(part)
    else:
        yield step


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
