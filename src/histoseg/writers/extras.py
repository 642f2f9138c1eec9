"""Libraries that only some files need."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

from histoseg.errors import MissingExtraError

W = TypeVar("W", bound=Callable[..., object])


def needs(module: str, extra: str) -> Any:
    """Import a library of an extra.

    Args:
        module: Its name.
        extra: Of ours that installs it.

    Returns:
        The module.

    Raises:
        MissingExtraError: If it is not there; says how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"this file needs {module.partition('.')[0]}, which is not installed ({error}): "
            f"pip install 'histoseg[{extra}]'"
        ) from error


def of_extra(extra: str, *modules: str) -> Callable[[W], W]:
    """Say which libraries a writer needs, so that `refuse_missing` can look for them."""

    def marked(writer: W) -> W:
        writer.extra = (extra, modules)  # type: ignore[attr-defined]
        return writer

    return marked


def refuse_missing(writer: Callable[..., object]) -> None:
    """Look for the libraries of a writer before there is anything to write.

    Args:
        writer: Of ours or a user's, with arguments bound to it or not.

    Raises:
        MissingExtraError: If one is not there.
    """
    extra, modules = getattr(getattr(writer, "func", writer), "extra", ("", ()))
    for module in modules:
        needs(module, extra)
