"""The end of a log, as people read it."""

import os
import re
from pathlib import Path

from core.errors import RunError, system_reason
from core.files import open_regular

_LOG_BYTES = 64 * 1024
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def log_tail(path: Path, lines: int = 300) -> str:
    """The last lines of a log, as plain text; empty while there is none."""
    try:
        with open(path, "rb", opener=open_regular) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LOG_BYTES))
            data = file.read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise RunError(f"Can't read {path.name}: {system_reason(error)}.") from error
    text = _TERMINAL_CODES.sub("", data.decode(errors="replace"))
    # A progress bar rewrites its line with carriage returns: only what it ended with is of interest.
    shown = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")]
    if size > len(data) and any(shown[1:]):
        shown = shown[1:]  # the first one was cut; unless it is all there is
    return "\n".join(shown[-lines:]).rstrip("\n")
