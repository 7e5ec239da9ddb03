"""Work that goes on when the page that began it is left: one import of a data set at a time, shared by all viewers."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.data.fer2013 import DatasetInfo
from core.errors import CountsDifferError, DataError, FerError

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Snapshot:
    """How far an import is, or how it ended."""

    running: bool = False
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    result: DatasetInfo | None = None
    error: str = ""
    differences: tuple[Mapping[str, Any], ...] = ()

    @property
    def seconds_left(self) -> float | None:
        return self.seconds / self.done * (self.total - self.done) if self.done else None


class Importer:
    """Runs one import in a thread. A thread is enough: an import is all or nothing, and can simply be done again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = 0.0
        self._now = Snapshot()

    def start(self, work: Callable[[Progress], DatasetInfo]) -> None:
        """Begin.

        Raises:
            DataError: another import is running.
        """
        with self._lock:
            if self._now.running:
                raise DataError("Another import is running: wait until it has ended.")
            self._started = time.monotonic()
            self._now = Snapshot(running=True)
        threading.Thread(target=self._run, args=(work,), name="import", daemon=True).start()

    def look(self) -> Snapshot:
        """The present state."""
        return self._now

    def forget(self) -> None:
        """Drop the result or error of an import that has ended, once it has been shown."""
        with self._lock:
            if not self._now.running:
                self._now = Snapshot()

    def _run(self, work: Callable[[Progress], DatasetInfo]) -> None:
        def progress(done: int, total: int) -> None:
            self._now = Snapshot(running=True, done=done, total=total, seconds=time.monotonic() - self._started)

        try:
            self._now = Snapshot(result=work(progress))
        except CountsDifferError as error:
            self._now = Snapshot(error=str(error), differences=tuple(error.differences))
        except FerError as error:
            self._now = Snapshot(error=str(error))
        except Exception:
            log.exception("An import failed.")
            self._now = Snapshot(error="The import failed unexpectedly; the server's log says why.")
