"""The event file of a run in training, for TensorBoard."""

import logging
import os
from functools import partial
from typing import IO, Final

from core.config import TrainConfig
from core.exchange.tensorboard import RunEvents
from core.files import open_regular
from core.runs.paths import RunPaths
from core.training.beside import BesideTraining

log = logging.getLogger("train")

FOLLOW_SECONDS: Final = 10.0


class EventFile(BesideTraining):
    """A thread that adds what training has written into its histories to an event file, every few seconds and at the
    end. Training never waits for it, and it fails alone.

    Each start of a worker writes a file of its own, from the first epoch on, and discards those before it: the rows
    that a resume drops are in no file, and a TensorBoard that is running replaces what it has of them.
    """

    def __init__(self, paths: RunPaths, config: TrainConfig, total_steps: int) -> None:
        """
        Args:
            paths: the run; its histories hold nothing that is newer than its checkpoint.
            config: its settings.
            total_steps: of the whole training.
        """
        super().__init__("event-file")
        self._settings = partial(config.model_dump, mode="json")
        self._paths, self._total_steps = paths, total_steps
        self._events: RunEvents | None = None
        self._file: IO[bytes] | None = None
        self._warned = False

    def _run(self) -> None:
        self._look()
        while not self._done.wait(FOLLOW_SECONDS):
            self._look()
        self._look(is_last=True)
        self._close()

    def _look(self, *, is_last: bool = False) -> None:
        """Write what is new. If that fails, as on a full disk, the next look begins another file."""
        try:
            if self._file is None:
                self._begin()
            assert self._events and self._file
            self._write(self._events.new() + (self._events.last() if is_last else b""))
        except Exception as error:  # whatever it is, the run does not depend on it
            self._close()
            if not self._warned:
                log.warning("no events for TensorBoard are written for now: %s: %s", type(error).__name__, error)
                self._warned = True

    def _begin(self) -> None:
        """Write a new file up to now, then discard the others."""
        self._events = RunEvents(self._paths, self._total_steps, self._settings)
        before = self._paths.event_numbers()
        path = self._paths.events(max(before, default=0) + 1)
        self._file = open(path, "wb", buffering=0, opener=open_regular)  # noqa: SIM115 -- closed by `_close`
        self._write(self._events.first() + self._events.new())
        for number in before[:-1]:
            self._paths.events(number).unlink(missing_ok=True)
        if before:  # emptied, not deleted: a TensorBoard without its data server would stay with a file that is gone
            os.truncate(self._paths.events(before[-1]), 0)

    def _write(self, content: bytes) -> None:
        assert self._file
        while content:  # a disk that is nearly full takes a part, and says no to the rest
            content = content[self._file.write(content) :]

    def _close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None
