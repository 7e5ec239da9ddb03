"""The project's exceptions: one base class, one child per kind of failure.

The message of each is a single sentence for the person at the page or the terminal: what was wrong, what is allowed,
what to do next. Pages show it, the command line prints it and exits with `exit_code`.
"""

from collections.abc import Mapping, Sequence
from typing import Any


class FerError(Exception):
    """Base of everything this project raises on purpose. `exit_code` 2 means bad input, 1 a failure on our side."""

    exit_code = 2


class ConfigError(FerError, ValueError):
    """A training setting or a preset that does not exist or has a value outside its range."""


class DataError(FerError, ValueError):
    """A data set that cannot be found, read or trusted."""


class CountsDifferError(DataError):
    """The images are readable, but their numbers per class are not the published ones; the user may go on anyway."""

    def __init__(self, message: str, differences: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.differences = list(differences)
        """One `core.data.fer2013.CountDifference` per class whose number differs: split, label, found, published."""


class ImageError(FerError, ValueError):
    """An uploaded or named picture that cannot be decoded."""


class RunError(FerError, ValueError):
    """A run that does not exist, is damaged, or is in the wrong state for what was asked."""


class TrainingError(FerError):
    """Training had to stop: a non-finite loss, no memory, a full disk."""

    exit_code = 1


def quote(text: str) -> str:
    """A name from outside, safe and short enough for a message."""
    return repr(text if len(text) <= 100 else f"{text[:50]}...{text[-45:]}")


def system_reason(error: OSError) -> str:
    """Why the system refused, in a few words; never empty, as `strerror` may be."""
    return error.strerror or str(error) or type(error).__name__
