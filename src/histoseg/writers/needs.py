from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

Kind = Literal["instances", "semantic", "stains"]
W = TypeVar("W", bound=Callable[..., object])


def needs(*kinds: Kind, whole: bool = False) -> Callable[[W], W]:
    """Say what a writer writes, so that it is left out where a model does not give it.

    Args:
        kinds: Of `Prediction.kinds`; one of them is enough. A writer that says nothing needs
            ``instances``.
        whole: Whether it takes whole images alone, and no slides.
    """

    def marked(writer: W) -> W:
        writer.needs = (frozenset(kinds), whole)  # type: ignore[attr-defined]
        return writer

    return marked


def fits(writer: Callable[..., object], kinds: frozenset[str], *, whole: bool = True) -> bool:
    """Whether a writer has something to write.

    Args:
        writer: Of ours or a user's, with arguments bound to it or not.
        kinds: What the model gives.
        whole: Whether it is of an image, not of a slide.

    Example:
        >>> @needs("stains")
        ... def write(folder, prediction): ...
        >>> fits(write, frozenset({"instances"})), fits(write, frozenset({"stains", "semantic"}))
        (False, True)
    """
    function = getattr(writer, "func", writer)
    wanted, images_only = getattr(function, "needs", (frozenset({"instances"}), False))
    return bool(wanted & kinds) and (whole or not images_only)
