"""Writing files beside the training, in a thread of its own, so that no step waits for a disk."""

import queue
import threading
from collections.abc import Callable
from typing import Final

MOST_WAITING: Final = 8
"""Writes that may wait. If there are more, since the disk is slower than the training, the training waits for it."""


class BackgroundWriter:
    """Does what it is given in a thread, one after the other, in that order. After a failure it does nothing more: what
    comes later may rely on what failed."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self.error: BaseException | None = None
        """What the first job that failed has raised."""

    def start(self) -> None:
        self._thread.start()

    def put(self, job: Callable[[], None]) -> None:
        """Have a job done after all those before it.

        Raises:
            BaseException: what an earlier one raised.
        """
        self.check()
        self._jobs.put(job)

    def check(self) -> None:
        """Raises:
        BaseException: what an earlier job raised.
        """
        if self.error is not None:
            raise self.error

    def wait(self) -> None:
        """Return when all jobs are done.

        Raises:
            BaseException: what one of them raised.
        """
        self._jobs.join()
        self.check()

    def close(self) -> None:
        """Do what is waiting, and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                if self.error is None:
                    job()
            except BaseException as error:  # whatever it is, it is the training's to raise
                self.error = error
            finally:
                self._jobs.task_done()
