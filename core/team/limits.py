"""How often somebody may start runs: a slip of a script, or of a finger, does not fill the queue and the disk."""

import os
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from math import ceil
from typing import Final

from core.errors import ConfigError, FerError
from core.team.people import Actor

STARTS_PER_MINUTE: Final = "FER_STARTS_PER_MINUTE"
"""The environment variable."""
DEFAULT_STARTS: Final = 20
WINDOW_SECONDS: Final = 60.0


class TooManyStartsError(FerError):
    """Somebody has started as much within the last minute as they may."""

    def __init__(self, sentence: str, wait_seconds: int) -> None:
        super().__init__(sentence)
        self.wait_seconds = wait_seconds
        """After so many seconds the next one is possible; at least 1."""


class StartLimit:
    """The starts of the last minute, by person, of all ways into this process. One start counts once, be it of a single
    run, of folds or of a sweep.

    It lives with the process: after a restart everybody begins at zero, and nobody can be locked out.

    Args:
        clock: seconds, from any zero.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._starts: defaultdict[str, deque[float]] = defaultdict(deque)

    def count(self, actor: Actor) -> None:
        """Count a start; to be called when nothing else speaks against it.

        Raises:
            TooManyStartsError: it is one too many; it is not counted.
            ConfigError: `FER_STARTS_PER_MINUTE` makes no sense.
        """
        most = most_starts()
        now = self._clock()
        with self._lock:
            self._forget(now)
            mine = self._starts[actor.identity]
            if len(mine) >= most:
                wait = max(1, ceil(mine[-most] + WINDOW_SECONDS - now))
                raise TooManyStartsError(
                    f"You have started {len(mine)} times within a minute (max {most}). Try again in {wait} s.", wait
                )
            mine.append(now)

    def _forget(self, now: float) -> None:
        """What is older than a minute, and people who have nothing else: so there are never many."""
        for person, starts in list(self._starts.items()):
            while starts and now - starts[0] >= WINDOW_SECONDS:
                starts.popleft()
            if not starts:
                del self._starts[person]


def most_starts() -> int:
    """How often one person may start something within a minute.

    Raises:
        ConfigError: `FER_STARTS_PER_MINUTE` is not a whole number from 1 to 9,999.
    """
    text = os.environ.get(STARTS_PER_MINUTE) or str(DEFAULT_STARTS)
    if not re.fullmatch(r"[0-9]{1,4}", text, re.ASCII) or int(text) < 1:
        raise ConfigError(f"{STARTS_PER_MINUTE} must be a whole number from 1 to 9,999 (got {text!r}).")
    return int(text)


starts: Final = StartLimit()
"""Of this process: `starts.count(actor)`."""
