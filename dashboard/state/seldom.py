"""What may happen thousands of times is logged once a minute."""

import logging
import threading
import time
from typing import Final

PAUSE_SECONDS: Final = 60.0

_lock = threading.Lock()
_last: dict[str, float] = {}


def warn_seldom(log: logging.Logger, kind: str, message: str) -> None:
    """Log a warning, unless there was one of this kind within the last minute.

    Args:
        log: where to.
        kind: such as `files`; of these there must be few, since they are kept.
        message: one sentence.
    """
    now = time.monotonic()
    with _lock:
        if now - _last.get(kind, -PAUSE_SECONDS) < PAUSE_SECONDS:
            return
        _last[kind] = now
    log.warning("%s", message)
