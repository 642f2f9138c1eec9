"""Where Optuna keeps the trials of a search, so that it can go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def study_file(path: str) -> Any:
    """An SQLite file of Optuna studies, made with its folder where there is none.

    Args:
        path: The file.

    Returns:
        An ``optuna.storages.RDBStorage``; one search at a time may write to it.
    """
    from optuna.storages import RDBStorage  # the extra ``sweep``

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    # the sweeper needs Optuna 2, which was written for SQLAlchemy 1: it leaves the version of its
    # tables uncommitted under SQLAlchemy 2, and then does not know them again
    return RDBStorage(f"sqlite:///{path}", engine_kwargs={"isolation_level": "AUTOCOMMIT"})
