"""`status.json` while a run trains: how far it is, and a lease that tells other machines that its process lives."""

import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from core.runs.create import write_status
from core.runs.paths import RunPaths
from core.runs.records import RunStatus
from core.training.beside import BesideTraining

log = logging.getLogger("train")

HEARTBEAT_SECONDS: Final = 1.0
RENEWAL_SECONDS: Final = 5.0
"""Far less than a reader waits before it takes a run for lost (`core.runs.liveness.LEASE_SECONDS`)."""


class StatusReporter(BesideTraining):
    """Keeps `status.json` current: once a second, and a new activity at once. Each write renews the lease; inside the
    context, a thread renews it while nothing moves, too, as while the data is loaded.

    Args:
        paths: the run.
        status: as this process has taken it.
        check_held: called before a file is written, and before it takes its place; it does not return when the run is
            no longer that of this process.
    """

    def __init__(self, paths: RunPaths, status: RunStatus, check_held: Callable[[], None] = lambda: None) -> None:
        super().__init__("lease")
        self.paths = paths
        self.status = status
        self.check_held = check_held
        self._lock = threading.Lock()  # one of the two threads writes
        self._last_of: dict[str, float] = {}
        self._renewed = -math.inf

    def update(self, *, now: bool = False, **fields: Any) -> None:
        """Change fields; written at once with `now`, else if the last write of the same activity is a second ago. Other
        activities do not count: where epochs are short, one of them would never be seen."""
        clock = time.monotonic()
        with self._lock:
            self.status = self.status.model_copy(update={**fields, "heartbeat": clock})
            if now:
                self._write(lasting=True)
            elif clock - self._last_of.get(self.status.activity, -math.inf) >= HEARTBEAT_SECONDS:
                self._write(lasting=False)
                self._last_of[self.status.activity] = clock

    def _write(self, *, lasting: bool) -> None:
        self.check_held()  # here, too: whoever leaves in the middle leaves half a file
        lease = {"lease_at": datetime.now(UTC), "lease_sequence": self.status.lease_sequence + 1}
        self.status = self.status.model_copy(update=lease)
        write_status(self.paths, self.status, lasting=lasting, check=self.check_held)
        self._renewed = time.monotonic()

    def _run(self) -> None:
        while not self._done.wait(RENEWAL_SECONDS):
            with self._lock:
                if time.monotonic() - self._renewed < RENEWAL_SECONDS:
                    continue
                try:
                    self._write(lasting=False)
                except OSError as error:  # a full disk is the training's to report: its own writes fail, too
                    log.warning("the lease can't be renewed: %s", error)
