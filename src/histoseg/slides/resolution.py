"""How large a pixel is: what files say, what of that can be believed, and what a user says."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)
PLAUSIBLE = (0.05, 20.0)
"""Micrometres per pixel that a slide can have: from above 100x to 0.5x. A print resolution, such as
72 or 300 pixels per inch, lies outside, and so do the zeros and ones of careless exports."""
MPP_AT_1X = 10.0
"""Micrometres per pixel, times magnification: 0.25 at 40x, 0.5 at 20x. A convention of scanners."""
MICROMETRES = {
    "pm": 1e-6,
    "Å": 1e-4,
    "nm": 1e-3,
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "\\u00b5m": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "inch": 25_400.0,
    "in": 25_400.0,
    "dm": 1e5,
    "m": 1e6,
}
"""Micrometres in a unit of length, by the names that OME and ImageJ use."""
_ANISOTROPIC = 1.1

Spacing = tuple[float, float]  # micrometres per pixel along x and y


@dataclass(frozen=True)
class Resolution:
    """What is known of the pixel size of a slide at level 0.

    Attributes:
        mpp: Micrometres per pixel along x and y; None where unknown.
        magnification: Of the objective, as the file or the user says; None where neither does.
    """

    mpp: Spacing | None
    magnification: float | None


def settle(
    path: Path,
    stored: Spacing | None,
    magnification: float | None,
    *,
    given: float | None = None,
    given_magnification: float | None = None,
) -> Resolution:
    """Decide on the resolution of a slide.

    The first that there is counts: ``given``, ``given_magnification``, ``stored``,
    ``magnification``. A magnification m stands for 10 / m micrometres per pixel.

    Args:
        path: The slide, for messages.
        stored: What the file says of micrometres per pixel, whatever it is.
        magnification: What the file says of the objective.
        given: Micrometres per pixel, by the user.
        given_magnification: Of level 0, by the user.

    Raises:
        ValueError: If what the user gives is not plausible.
    """
    if given is not None:
        if not is_plausible(given):
            raise ValueError(f"mpp={given}: expected micrometres per pixel, {_range()}")
        return Resolution((given, given), given_magnification or _believed(path, magnification))
    if given_magnification is not None:
        if not is_plausible(_mpp_at(given_magnification)):
            raise ValueError(f"magnification={given_magnification}: expected a number such as 40")
        mpp = _mpp_at(given_magnification)
        return Resolution((mpp, mpp), given_magnification)
    magnification = _believed(path, magnification)
    if stored is not None and not all(map(is_plausible, stored)):
        log.warning(
            "%s says %g x %g µm per pixel, which no slide has (%s): taken as unknown",
            *(path, *stored, _range()),
        )
        stored = None
    if stored is not None:
        _warn_of_oblong(path, stored)
    elif magnification is not None:
        mpp = _mpp_at(magnification)
        stored = (mpp, mpp)
        log.warning("%s has no resolution; %gx is taken for %g µm/px", path, magnification, mpp)
    return Resolution(stored, magnification)


def is_plausible(mpp: float) -> bool:
    """Whether a slide can have this many micrometres per pixel; False for NaN."""
    return PLAUSIBLE[0] <= mpp <= PLAUSIBLE[1]


def as_number(text: object) -> float | None:
    """A property of a file as a number; None where there is none, NaN where it is another text.

    Example:
        >>> as_number("0.25"), as_number(None), as_number("unknown")
        (0.25, None, nan)
    """
    if text is None or text == "":
        return None
    try:
        return float(str(text).replace(",", "."))
    except ValueError:
        return math.nan


def _mpp_at(magnification: float) -> float:
    return MPP_AT_1X / magnification if magnification > 0 else math.nan


def _believed(path: Path, magnification: float | None) -> float | None:
    if magnification is None or is_plausible(_mpp_at(magnification)):
        return magnification
    log.warning("%s says a magnification of %g: taken as unknown", path, magnification)
    return None


def _warn_of_oblong(path: Path, mpp: Spacing) -> None:
    if max(mpp) > _ANISOTROPIC * min(mpp):
        log.warning("%s has oblong pixels, %g x %g µm: they are resampled to squares", path, *mpp)


def _range() -> str:
    return f"{PLAUSIBLE[0]:g} to {PLAUSIBLE[1]:g}"
