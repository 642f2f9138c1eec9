from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from histoseg.analysis import Grades
from histoseg.contracts import Array
from histoseg.errors import ContractError

STRENGTHS = ("negative", "weak", "moderate", "strong")


@dataclass(frozen=True)
class IndexQuestion:
    """Which classes a slide is asked about.

    Attributes:
        part: Kinds that density and hotspots are about.
        whole: Kinds that they are a share of.
        indexed: Whether the share says something: some are positive and others are not.
        grades: Kind of each of `STRENGTHS`; None where the classes are no grades. 0 where one
            of them does not occur.
        label: What ``part`` is called.
    """

    part: tuple[int, ...]
    whole: tuple[int, ...]
    indexed: bool
    grades: tuple[int, int, int, int] | None
    label: str

    @classmethod
    def of(cls, classes: Sequence[str], cfg: Any, where: str) -> IndexQuestion:
        """Find the kinds by name.

        Args:
            classes: Names of classes 1..K.
            cfg: With ``positive``, ``counted`` and ``grades``.
            where: For messages.

        Raises:
            ContractError: If a name is none of the classes, or a positive class is not counted.
        """
        grades = _grades(classes, cfg)
        positive = cfg.positive
        if positive is None and grades is not None:
            positive = [classes[kind - 1] for kind in grades[1:] if kind]
        every = tuple(range(1, len(classes) + 1))
        whole = every if cfg.counted is None else _kinds(cfg.counted, classes, "counted", where)
        if positive is None:
            part = (0, *every) if cfg.counted is None else whole
            return cls(part, part, False, grades, "nuclei")
        part = _kinds(positive, classes, "positive", where) if positive else ()
        if not set(part) <= set(whole):
            raise ContractError(
                f"positive={list(positive)} must be among counted={list(cfg.counted)}: the index is"
                " the share of the positive among the counted"
            )
        return cls(part, whole, True, grades, "positive nuclei")

    def graded(self, counts: Array) -> Grades | None:
        """Numbers by strength, of numbers by kind (K + 1,)."""
        if self.grades is None:
            return None
        return Grades(*(int(counts[kind]) if kind else 0 for kind in self.grades))


def _grades(classes: Sequence[str], cfg: Any) -> tuple[int, int, int, int] | None:
    """Kinds of the four strengths; None if none of the positive ones is among the classes."""
    names = [str(cfg.grades[strength]).lower() for strength in STRENGTHS]
    lower = [name.lower() for name in classes]
    kinds = tuple(lower.index(name) + 1 if name in lower else 0 for name in names)
    if not any(kinds[1:]):
        return None
    return kinds[0], kinds[1], kinds[2], kinds[3]


def _kinds(names: Sequence[str], classes: Sequence[str], key: str, where: str) -> tuple[int, ...]:
    unknown = [str(name) for name in names if str(name) not in classes]
    if unknown:
        raise ContractError(
            f"{key}: {where} has no class {unknown[0]!r}; it has {', '.join(classes) or 'none'}."
            " If that is right because there is no such nucleus, list all with classes=[...]"
        )
    return tuple(sorted(list(classes).index(str(name)) + 1 for name in set(names)))
