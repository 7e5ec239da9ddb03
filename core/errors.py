"""The exceptions of this project, and how names from outside are shown in their messages."""

import errno
import tempfile
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard

_NAME_LENGTH: Final = 60


class FerError(Exception):
    """Base of everything this project raises on purpose. `exit_code` 2 means bad input, 1 a failure on our side."""

    exit_code = 2


class ConfigError(FerError, ValueError):
    """A training setting or a preset that does not exist or has a value outside its range."""


class DataError(FerError, ValueError):
    """A dataset that cannot be found, read or trusted."""


class CountsDifferError(DataError):
    """The images are readable, but their class counts differ from the published ones; they may be imported anyway."""

    def __init__(self, message: str, differences: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.differences = list(differences)
        """One `core.data.fer2013.CountDifference` per class whose count differs: split, label, found, published."""


class ImageError(FerError, ValueError):
    """An uploaded or named image that cannot be decoded."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or "is unreadable"
        """What is wrong, as the end of a sentence that begins with the image's name."""


class RunError(FerError, ValueError):
    """A run that does not exist, is corrupt, or is in the wrong state for what was asked."""


class NotAllowedError(FerError):
    """Somebody's role does not let them do what they asked for."""


class ActivityError(FerError):
    """The activity log cannot be written or read."""


class ApiTokenError(FerError):
    """API tokens cannot be read or written, or there is no such one."""


class TrainingError(FerError):
    """Training had to stop: a non-finite loss, out of memory, a full disk."""

    exit_code = 1


def quote(text: str) -> str:
    """A name from outside, safe and short enough for a message."""
    return repr(text if len(text) <= 100 else f"{text[:50]}...{text[-45:]}")


def system_reason(error: OSError) -> str:
    """Why the system refused, in a few words; never empty, as `strerror` may be."""
    return error.strerror or str(error) or type(error).__name__


def is_out_of_files(error: object) -> TypeGuard[OSError]:
    """Whether the system refused to open one more file or connection."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


def explain_system_error(error: Exception) -> str:
    """A sentence on what the system refused, and what to do; empty where too little is known of it."""
    if not isinstance(error, OSError):
        return ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        temporary = tempfile.tempdir or "/tmp"
        return (
            f"No space left on the disk or in the folder for temporary files ({temporary}). Free some space, or set "
            "TMPDIR to another folder."
        )
    if is_out_of_files(error):
        return (
            "Too many open files on the server: try again when others have left, or raise its limit (LimitNOFILE in a "
            "systemd unit, ulimit -n in a shell)."
        )
    if isinstance(error, FileNotFoundError) and "temporary directory" in str(error):  # of `tempfile.gettempdir`
        return (
            "There is no folder for temporary files that can be written. Free space in /tmp, or set TMPDIR to another."
        )
    if error.filename and error.strerror:
        return f"Can't open {display_name(str(error.filename))}: {error.strerror}."
    return ""


def display_name(name: str) -> str:
    """A file name that is safe to show: without folders, control and direction characters, at most 60 long."""
    base = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    # Category C holds control, direction-changing, surrogate and unassigned characters.
    kept = "".join(char if unicodedata.category(char)[0] != "C" else " " for char in base)
    text = " ".join(kept.split())
    if len(text) > _NAME_LENGTH:
        text = f"{text[: _NAME_LENGTH - 15]}...{text[-12:]}"
    return text or "image"
