from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

HEX = re.compile("#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?")
# of classes whose colour nobody says: told apart by colour-blind people too (Okabe and Ito 2008)
PALETTE = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
    *((0, 114, 178), (213, 94, 0), (204, 121, 167), (0, 0, 0)),
)
RGB = tuple[int, int, int]
Said = str | int | None
Classes = Mapping[str, Said | Sequence[Said]] | Sequence[str]


class ClassNames:
    """Which class is meant by what annotation files say.

    Args:
        classes: Name of a class -> what the files call it: labels, colours of the pen such as
            "#ff0000", or numbers, one or a list of them; nothing where they use the same name.
            Or a list of names. Their order numbers the classes from 1.
        unwanted: What the files call objects that are to be left out silently.

    Raises:
        ValueError: If something is said of two classes.
    """

    def __init__(self, classes: Classes, unwanted: Sequence[Said] = ()) -> None:
        said = classes if isinstance(classes, Mapping) else dict.fromkeys(classes)
        self.names = tuple(str(name) for name in said)
        self._said = [
            _listed(one) or [name] for name, one in zip(self.names, said.values(), strict=True)
        ]
        self._table: dict[str, int] = {}
        for number, words in [(0, _listed(list(unwanted))), *enumerate(self._said, start=1)]:
            for word in map(_key, words):
                if self._table.setdefault(word, number) != number:
                    raise ValueError(f"classes: {word!r} is said of two classes")
        self._numbered = not any(word.isdecimal() for word in self._table)

    def number(self, label: str | None, colour: RGB | None) -> int | None:
        """Number of a class by the label of an object, else by its colour; None if unknown.

        A label that is a number, as label images have it, counts as it is, unless ``classes`` says
        what numbers mean.
        """
        if label is not None:
            number = self._table.get(_key(label))
            if number is not None:
                return number
            if self._numbered and label.isdecimal() and 1 <= int(label) <= len(self.names):
                return int(label)
        return None if colour is None else self._table.get("#{:02x}{:02x}{:02x}".format(*colour))

    def colours(self) -> tuple[RGB, ...]:
        """One colour for each class: the first that ``classes`` says, else one of a palette."""
        spare = iter(PALETTE * (1 + len(self.names) // len(PALETTE)))
        return tuple(_rgb(words) or next(spare) for words in self._said)


def _listed(said: Said | Iterable[Said]) -> list[str]:
    if said is None:
        return []
    every = [said] if isinstance(said, (str, int)) else said
    return [str(one) for one in every if one is not None]


def _key(word: str) -> str:
    """The word as it is compared: colours in lower case and without opacity."""
    return word[:7].lower() if HEX.fullmatch(word) else word.strip()


def _rgb(words: Iterable[str]) -> RGB | None:
    code = next((word for word in words if HEX.fullmatch(word)), None)
    return None if code is None else (int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16))
