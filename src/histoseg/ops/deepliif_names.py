"""What DeepLIIF's files and ours call the same stain."""

from __future__ import annotations

import re

_THEIRS = {
    "ihc": "IHC",
    "hematoxylin": "Hema",
    "dapi": "DAPI",
    "lap2": "Lap2",
    "marker": "Marker",
    "seg": "Seg",
}
_OURS = {name.casefold(): stain for stain, name in _THEIRS.items()}


def their_name(stain: str) -> str:
    """What DeepLIIF calls a stain of ours; others keep their name.

    Example:
        >>> their_name("hematoxylin"), their_name("cd3")
        ('Hema', 'cd3')
    """
    return _THEIRS.get(stain, stain)


def our_name(name: str) -> str:
    """What we call a modality of DeepLIIF: a word in lower case that can stand in a setting.

    Example:
        >>> our_name("Hema"), our_name("PD-L1")
        ('hematoxylin', 'pd_l1')
    """
    plain = name.casefold()
    return _OURS.get(plain) or re.sub(r"\W+", "_", plain).strip("_")
