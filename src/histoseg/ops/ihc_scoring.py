"""The numbers that DeepLIIF says of an image, and the thresholds that they depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

COUNTS = ("num_total", "num_pos", "num_neg")


@dataclass(frozen=True)
class IHCScoring:
    """Counts of cells and how they were made, in the order of the original's files.

    Attributes:
        num_total: Cells.
        num_pos: Positive ones.
        num_neg: Negative ones.
        percent_pos: ``100 * num_pos / num_total`` to one decimal; 0 where none is positive.
        seg_thresh: Red and blue together; None where a file does not say it.
        size_thresh: Size that was used, px; None where a file does not say it.
        size_thresh_upper: Largest size, px; None for any.
        marker_thresh: Marker that was used; None for none.
    """

    num_total: int
    num_pos: int
    num_neg: int
    percent_pos: float
    seg_thresh: int | None = None
    size_thresh: int | None = None
    size_thresh_upper: int | None = None
    marker_thresh: int | None = None

    @classmethod
    def of(cls, num_pos: int, num_neg: int, **thresholds: int | None) -> IHCScoring:
        """Count.

        Example:
            >>> IHCScoring.of(8, 106, seg_thresh=120, size_thresh=61).percent_pos
            7.0
        """
        total = num_pos + num_neg
        percent = round(100 * num_pos / total, 1) if num_pos else 0
        return cls(total, num_pos, num_neg, percent, **thresholds)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> IHCScoring:
        """Take what a file says; before version 1.1.12 ``seg_thresh`` was ``prob_thresh``.

        Args:
            fields: Numbers by name; others than ours are passed over.

        Raises:
            ValueError: If a count is missing, or something is no number.
        """
        known = {"seg_thresh": fields.get("prob_thresh"), **fields}
        missing = [name for name in (*COUNTS, "percent_pos") if name not in known]
        if missing:
            raise ValueError(f"no {', '.join(missing)}; expected a scoring of DeepLIIF")
        named: dict[str, Any] = {name: known.get(name) for name in cls.__dataclass_fields__}
        for name, value in named.items():
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number and (value is not None or name in COUNTS):
                raise ValueError(f"{name} is {value!r}; expected a number")
        return cls(**named)

    def fields(self) -> dict[str, float | None]:
        """By name, in the order of the file."""
        return asdict(self)
