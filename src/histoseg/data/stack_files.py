"""The files of a set of channel stacks: ``FullImage``, ``Mask_Norm`` and ``codes.txt``."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from histoseg.annotations import read_labels
from histoseg.contracts import Array
from histoseg.data.splits import load_splits, make_splits, save_splits
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError
from histoseg.slides.stack import STACK_SUFFIXES, stack_stem

_log = logging.getLogger(__name__)
IMAGES, MASKS, CODES = "FullImage", "Mask_Norm", "codes.txt"
MASK_SUFFIXES = (".png", ".tif", ".tiff")
_WHITE = 255


class StackItem(NamedTuple):
    """Files of an item, and what it must stay together with: its sub-folder, or itself."""

    image: Path
    mask: Path
    group: str


def find_stacks(root: Path) -> dict[str, StackItem]:
    """Pair the stacks of a set with their masks.

    Args:
        root: Holds the folders ``FullImage`` and ``Mask_Norm``.

    Returns:
        Items by name, ``sub__stem``, sorted.

    Raises:
        DatasetNotFoundError: If there are none, or some lack their mask.
        ContractError: If two stacks have one name or one mask.
    """
    folder, found = root / IMAGES, dict[str, StackItem]()
    missing = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith((".", "__MACOSX")) for part in inside.parts)
        if hidden or not path.name.lower().endswith(STACK_SUFFIXES) or not path.is_file():
            continue
        stem = stack_stem(path.name)
        name = "__".join([*inside.parent.parts, stem])
        if name in found:
            raise ContractError(
                f"{found[name].image} and {path} are both called {name!r} and would share a mask: "
                "rename or remove one"
            )
        beside = root / MASKS / inside.parent
        masks = [beside / f"{stem}{suffix}" for suffix in MASK_SUFFIXES]
        there = [mask for mask in masks if mask.is_file()]
        if len(there) > 1:
            raise ContractError(f"{there[0]} and {there[1]} are masks of one image: remove one")
        missing += [] if there else [str(inside)]
        group = str(inside.parent) if inside.parent.parts else name
        found[name] = StackItem(path, (there or masks)[0], group)
    if not found:
        raise DatasetNotFoundError(
            f"{folder} holds no stack ({' '.join(STACK_SUFFIXES)}). Put stacks into {IMAGES}/ and "
            f"their masks into {MASKS}/ beside it, make both with `histoseg prepare data=subimages`"
            ", or set data.dataset.root"
        )
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise DatasetNotFoundError(
            f"{len(missing)} of {len(found)} stacks have no mask in {root / MASKS}: "
            f"{', '.join(missing[:5])}{more}. Add it as <same name>.png (all zeros where there are "
            "no cells), or move the stack away"
        )
    return dict(sorted(found.items()))


def check_codes(root: Path, classes: Sequence[str]) -> None:
    """Compare ``codes.txt``, where there is one, with the classes that are configured.

    Raises:
        ContractError: If it names others.
    """
    path = root / CODES
    if not path.is_file():
        return
    lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    names = [line for line in lines if line]
    if [n.casefold() for n in names[1:]] != [n.casefold() for n in classes]:
        raise ContractError(
            f"{path} names {names} (background first), data.classes is {list(classes)}: set "
            f"data.classes=[{','.join(names[1:])}] and as many data.colours"
        )


def read_mask(item: StackItem, count: int) -> tuple[Array, bool]:
    """Read the class of each pixel.

    Args:
        item: Whose mask.
        count: Number of classes besides background.

    Returns:
        (H, W), uint8 in 0..count; and whether white was taken for class 1.

    Raises:
        UnreadableFileError: If it cannot be read or holds other values; names them.
    """
    mask = read_labels(item.mask)
    highest = int(mask.max(initial=0))
    if highest <= count:
        return mask.astype("uint8"), False
    values = sorted(set(mask.ravel().tolist()))
    if count == 1 and set(values) <= {0, _WHITE}:
        return (mask > 0).astype("uint8"), True
    others = [v for v in values if v > count]
    raise UnreadableFileError(
        f"{item.mask} holds {', '.join(map(str, others[:8]))}{', ...' if len(others) > 8 else ''}; "
        f"expected classes 0 to {count}, one number a pixel. Write the number of the class into "
        "the mask, or name more data.classes"
    )


def split_stacks(
    items: Mapping[str, StackItem],
    split: str,
    fractions: Mapping[str, float],
    seed: int,
    split_file: Path | None,
    count: int,
) -> list[str]:
    """Items of a split; groups without any cell are shared out by themselves.

    Args:
        items: All of a set.
        split: One of the keys of ``fractions``.
        fractions: Share of the groups in each split.
        seed: Which of the possible partitions.
        split_file: Written when absent, else read and checked; None to keep no file.
        count: Number of classes besides background.

    Raises:
        ContractError: If there is no such split, or the file does not fit any more.
    """
    groups = {name: item.group for name, item in items.items()}
    if split_file is not None and split_file.exists():
        splits = load_splits(split_file, groups, fractions, seed)
    else:
        splits = _shared_out(items, fractions, seed, count)
        if split_file is not None:
            save_splits(split_file, splits, fractions, seed)
    if split not in splits:
        raise ContractError(f"no split {split!r}; there are {', '.join(splits)}")
    return sorted(splits[split])


def _shared_out(
    items: Mapping[str, StackItem], fractions: Mapping[str, float], seed: int, count: int
) -> dict[str, list[str]]:
    groups = {name: item.group for name, item in items.items()}
    with_cells = {item.group for item in items.values() if _has_cells(item, count)}
    negative = {name: group for name, group in groups.items() if group not in with_cells}
    positive = {name: group for name, group in groups.items() if group in with_cells}
    few = min(len(set(positive.values())), len(set(negative.values()))) < len(fractions)
    if few:  # too few of one kind to be in each split
        return make_splits(groups, fractions, seed)
    parts = [make_splits(some, fractions, seed) for some in (positive, negative)]
    return {split: sorted(parts[0][split] + parts[1][split]) for split in fractions}


def _has_cells(item: StackItem, count: int) -> bool:
    try:
        return bool(read_mask(item, count)[0].any())
    except UnreadableFileError as error:  # said again, and decided on, when the item is read
        _log.debug("%s", error)
        return True
