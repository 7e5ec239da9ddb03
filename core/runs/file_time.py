"""What time it is where the files of a runs root are kept. A file server gives them their times by its own clock, and
that of this machine may be an hour off: the two are never compared."""

import os
from pathlib import Path

from core.files import touch
from core.runs.paths import QueuePaths


def now_at(runs_root: Path) -> float | None:
    """Seconds since 1970 by the clock that gives files below a runs root their times; None where nothing can be written
    there, or nothing ever was."""
    clock = QueuePaths(runs_root).clock
    try:
        touch(clock)
        os.utime(clock)  # without times: those of whoever keeps the file
        return clock.stat().st_mtime
    except OSError:
        return None


def age_of(path: Path, runs_root: Path) -> float | None:
    """Seconds since a file below a runs root was last written or touched; None where nobody can tell, as it is missing
    or from the future."""
    now = now_at(runs_root)
    try:
        age = None if now is None else now - path.stat().st_mtime
    except OSError:
        return None
    return None if age is None or age < -1 else max(age, 0.0)
