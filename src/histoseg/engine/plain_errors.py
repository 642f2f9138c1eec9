"""Errors as a user meets them: one paragraph where it says all, a trace where it does not."""

from __future__ import annotations

import dis
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hydra.errors import HydraException, InstantiationException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from histoseg.errors import (
    CheckpointError,
    ContractError,
    DatasetNotFoundError,
    MissingExtraError,
    NonFiniteLossError,
    RegistrationError,
    SlideError,
    UnreadableFileError,
    WorkerDiedError,
)

TRACE, OURS = "HYDRA_FULL_ERROR", "HISTOSEG_PLAIN_ERRORS"
COMPLETE = (
    *(ContractError, DatasetNotFoundError, UnreadableFileError),
    *(CheckpointError, MissingExtraError, NonFiniteLossError, RegistrationError),
    *(SlideError, WorkerDiedError),
)
DELIBERATE = (ValueError, OSError, RuntimeError)  # when it is our code that raises them
INTERRUPTED = 130  # exit code of a shell for Ctrl-C


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn expected errors into one paragraph on stderr and exit code 1.

    Faults of the program keep their trace, and with ``HYDRA_FULL_ERROR=1`` every error does.

    Raises:
        SystemExit: In place of an error that `explain` has words for.
    """
    if os.environ.get(TRACE) == "1" and OURS not in os.environ:
        yield
        return
    # Hydra now hands errors on instead of printing them; ranks inherit both variables
    os.environ |= {TRACE: "1", OURS: "1"}
    try:
        yield
    except KeyboardInterrupt as stop:
        sys.stderr.write(f"histoseg: {str(stop) or 'stopped'}\n")
        sys.exit(INTERRUPTED)
    except Exception as error:
        text = explain(error)
        if text is None:
            raise
        sys.stderr.write(f"histoseg: {text}\n")
        sys.exit(1)


def explain(error: BaseException) -> str | None:
    """Say in one paragraph what is wrong; None for a fault of the program.

    Args:
        error: As caught. A ValueError, OSError or RuntimeError is deliberate where our own code
            raised it, and a fault where a library did.
    """
    if isinstance(error, COMPLETE):
        return str(error)
    if isinstance(error, InstantiationException):
        return _of_building(error)
    if isinstance(error, HydraException | OmegaConfBaseException):
        return _of_configuration(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, DELIBERATE) and _raised_here(error):
        return f"{error} ({TRACE}=1 shows where)"
    return None


def _of_building(error: InstantiationException) -> str:
    """The constructor's own words, and which part of the configuration it was given."""
    what, *_, where = str(error).split("\n")
    cause = error.__cause__
    if cause is None:
        return " ".join(str(error).split("\n"))
    if isinstance(cause, COMPLETE):
        return str(cause)
    node = where.removeprefix("full_key: ") if where.startswith("full_key") else what
    return f"{node}: {str(cause) or type(cause).__name__} ({TRACE}=1 shows where)"


def _of_configuration(error: HydraException | OmegaConfBaseException) -> str:
    lines = str(error).split("\n")
    if isinstance(error.__cause__, OmegaConfBaseException):
        lines += str(error.__cause__).split("\n")
    lines = [line for line in lines if not line.strip().startswith(("object_type", "reference_ty"))]
    if isinstance(error, OverrideParseException):
        lines.append("Quote a value with blanks or any of = , ( ) [ ] twice: 'input=\"a (1).png\"'")
    # a list of one choice a line would scroll the question out of sight
    return "\n".join(lines).replace("\n\t", " ").rstrip()


def _raised_here(error: BaseException) -> bool:
    """Whether a ``raise`` of ours made it, not an accident in a call of ours."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None or not str(last.tb_frame.f_globals.get("__name__")).startswith("histoseg."):
        return False
    return dis.opname[last.tb_frame.f_code.co_code[last.tb_lasti]] == "RAISE_VARARGS"
