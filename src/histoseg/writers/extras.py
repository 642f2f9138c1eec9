"""Libraries that only some files need."""

from __future__ import annotations

import importlib
from typing import Any

from histoseg.errors import MissingExtraError


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
