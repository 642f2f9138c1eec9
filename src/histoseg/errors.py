"""The exceptions a user of histoseg meets, besides Python's own."""

from __future__ import annotations


class ContractError(ValueError):
    """A model and the data given to it do not fit; the message names what would."""


class DatasetNotFoundError(FileNotFoundError):
    """A data set's files are not where the configuration says; the message says how to get them."""


class UnreadableFileError(ValueError):
    """A file cannot be read as what it should be; the message names it and the place in it."""


class SlideError(ValueError):
    """A slide lacks what a run needs, or something given for it does not fit; the message says."""


class RegistrationError(ValueError):
    """Two pictures could not be brought together, or not so that it is believed; says why."""


class WorkerDiedError(RuntimeError):
    """A process that worked for this one was ended from outside; the message says what to do."""


class CheckpointError(ValueError):
    """A checkpoint is damaged or belongs to another network; the message says what fits."""


class NonFiniteLossError(ArithmeticError):
    """A loss became NaN or infinite; the message names the step and the files of the batch."""


class MissingExtraError(ImportError):
    """A library of one of our extras is not installed; the message says how to get it."""
