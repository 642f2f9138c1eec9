"""Which items train, validate and test: seeded, by group, refused when the files change."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from histoseg.errors import ContractError, UnreadableFileError

FRACTIONS: Mapping[str, float] = {"train": 0.7, "val": 0.1, "test": 0.2}


def make_splits(
    groups: Mapping[str, str],
    fractions: Mapping[str, float],
    seed: int,
    strata: Mapping[str, str] | None = None,
) -> dict[str, list[str]]:
    """Share items between splits so that no group straddles two of them.

    The order of the files does not matter: groups are ordered by a hash of the seed and their
    name. Fractions are of groups, by largest remainder, and each split gets at least one.

    Args:
        groups: Item -> what it must stay together with (patient, slide, or the item itself).
        fractions: Split -> share of the groups; they add up to 1.
        seed: Which of the possible partitions.
        strata: Group -> its kind; each kind has its share in each split, to one group or so.

    Returns:
        Split -> its items, sorted.

    Raises:
        ValueError: If the fractions do not add up to 1, or there are fewer groups than splits.

    Example:
        >>> make_splits({"a1": "a", "a2": "a", "b1": "b"}, {"train": 0.5, "test": 0.5}, seed=1)
        {'train': ['a1', 'a2'], 'test': ['b1']}
    """
    names = _order(set(groups.values()), seed, strata or {})
    counts = _counts(len(names), fractions)
    home: dict[str, str] = {}
    start = 0
    for split, count in counts.items():
        home.update(dict.fromkeys(names[start : start + count], split))
        start += count
    splits: dict[str, list[str]] = {split: [] for split in fractions}
    for item in sorted(groups):
        splits[home[groups[item]]].append(item)
    return splits


def part_of(items: Iterable[str], share: float, seed: int, strata: Mapping[str, str]) -> list[str]:
    """A share of items, rounded down, but one at least: always the same of the same items.

    Args:
        items: Of which.
        share: In (0, 1].
        seed: Another seed, other items.
        strata: Item -> its kind, each of which is taken alike.

    Returns:
        Sorted. A smaller share is part of a larger one.
    """
    order = _order(items, seed, strata)
    return sorted(order[: max(1, int(share * len(order) + 1e-9))])


def save_splits(
    path: Path, splits: Mapping[str, Iterable[str]], fractions: Mapping[str, float], seed: int
) -> None:
    """Write splits as JSON, with what they were made from and the hash of all items.

    Args:
        path: File to write; its folder is made. Several processes may write the same at once.
        splits: What `make_splits` gave.
        fractions: What it was given.
        seed: What it was given.

    Raises:
        OSError: If the file cannot be written.
    """
    lists = {split: sorted(items) for split, items in splits.items()}
    items = [item for members in lists.values() for item in members]
    record = {
        "seed": seed,
        "fractions": dict(fractions),
        "sha256": _hash(sorted(items)),
        "splits": lists,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def load_splits(
    path: Path, groups: Mapping[str, str], fractions: Mapping[str, float], seed: int
) -> dict[str, list[str]]:
    """Read splits again and check that they still describe the files.

    A file made by hand needs only ``splits``; every item must be listed (under "unused", say,
    when it has no part).

    Args:
        path: What `save_splits` wrote.
        groups: The items that are there now, each with its group.
        fractions: What the configuration says now.
        seed: What the configuration says now.

    Returns:
        Split -> its items, as stored.

    Raises:
        UnreadableFileError: If the file is damaged.
        ContractError: If items were added or removed, one stands in two splits, a group
            straddles two splits, or the file was made with other fractions or another seed.
    """
    record = _read(path)
    splits: dict[str, list[str]] = record["splits"]
    listed = [item for members in splits.values() for item in members]
    _check_items(path, listed, set(groups))
    _check_groups(path, splits, groups)
    for key, now in (("seed", seed), ("fractions", dict(fractions))):
        if record.get(key, now) != now:
            raise ContractError(
                f"{path} was made with {key} {record[key]} and the configuration says {now}; "
                "set it back or name another split_file"
            )
    if record.get("sha256", _hash(sorted(listed))) != _hash(sorted(listed)):
        raise ContractError(f"{path}: its hash does not fit its items; restore it or delete it")
    return splits


def split_items(
    groups: Mapping[str, str],
    split: str | None,
    fractions: Mapping[str, float],
    seed: int,
    split_file: Path | None,
) -> list[str]:
    """Items of one split, as every data set of this room takes it.

    Args:
        groups: Item -> group, of all items there are.
        split: Which one; None for all items.
        fractions: As in `make_splits`.
        seed: As in `make_splits`.
        split_file: Written when absent, else read and checked; None to keep no file.

    Returns:
        Items, sorted.

    Raises:
        ContractError: If there is no split of this name, or the file does not fit any more.
    """
    if split is None:
        return sorted(groups)
    if split_file is not None and split_file.exists():
        splits = load_splits(split_file, groups, fractions, seed)
    else:
        splits = make_splits(groups, fractions, seed)
        if split_file is not None:
            save_splits(split_file, splits, fractions, seed)
    if split not in splits:
        raise ContractError(f"no split {split!r}; there are {', '.join(splits)}")
    return sorted(splits[split])


def _order(names: Iterable[str], seed: int, strata: Mapping[str, str]) -> list[str]:
    """Names by a hash of the seed, kinds so mixed that each stretch has its share of each."""
    by_kind: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: _hash([str(seed), name])):
        by_kind.setdefault(strata.get(name, ""), []).append(name)
    places = [
        ((rank + 0.5) / len(members), kind, name)
        for kind, members in by_kind.items()
        for rank, name in enumerate(members)
    ]
    return [name for _, _, name in sorted(places)]


def _counts(total: int, fractions: Mapping[str, float]) -> dict[str, int]:
    if not fractions or min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-6:
        raise ValueError(f"fractions {dict(fractions)} must be positive and add up to 1")
    if total < len(fractions):
        raise ValueError(
            f"{total} groups cannot fill the {len(fractions)} splits {[*fractions]}: bring more "
            "groups, or leave a split out of the fractions: ~prepare.fractions.<split>, or "
            "~data.dataset.fractions.<split> where the data share themselves out"
        )
    quotas = {split: share * total for split, share in fractions.items()}
    counts = {split: max(1, int(quota + 1e-9)) for split, quota in quotas.items()}
    while sum(counts.values()) != total:
        step = 1 if sum(counts.values()) < total else -1
        open_to_it = [split for split in counts if counts[split] + step >= 1]
        worst = max(open_to_it, key=lambda split: step * (quotas[split] - counts[split]))
        counts[worst] += step
    return counts


def _hash(names: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(names).encode()).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        fits = all(isinstance(v, list) for v in record["splits"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableFileError(f"{path} is not a split file: {error!r}") from error
    if not fits:
        raise UnreadableFileError(f"{path} is not a split file: each split must be a list of items")
    return dict(record)


def _check_items(path: Path, listed: list[str], there: set[str]) -> None:
    new, missing = sorted(there - set(listed)), sorted(set(listed) - there)
    twice = sorted(item for item, count in Counter(listed).items() if count > 1)
    if twice:
        raise ContractError(f"{path}: listed more than once: {_some(twice)}; remove one of each")
    if new or missing:
        raise ContractError(
            f"the files are not those that {path} shared out. New: {_some(new)}. "
            f"Missing: {_some(missing)}. Restore the files, or delete it to share out anew "
            "(models trained before must then not be tested on the new split)"
        )


def _check_groups(path: Path, splits: Mapping[str, list[str]], groups: Mapping[str, str]) -> None:
    home: dict[str, str] = {}
    for split, items in splits.items():
        for item in items:
            group = groups[item]
            if home.setdefault(group, split) != split:
                raise ContractError(
                    f"{path}: group {group!r} is in both {home[group]!r} and {split!r}: a leak; "
                    "move its items into one split"
                )


def _some(items: list[str]) -> str:
    shown = ", ".join(items[:5]) or "none"
    return f"{shown} and {len(items) - 5} more" if len(items) > 5 else shown
