"""Keeping a run on disk while it trains: rows of epochs, checkpoints, the best weights, the summary.

A thread writes all of them, in the order in which they come about, so that an epoch of a fraction of a second is not
followed by as long a wait for the disk. Every file that counts something as done is written after what it counts.
"""

import logging
import time
from contextlib import suppress
from functools import partial
from typing import Any

from core.errors import TrainingError
from core.runs.best import HASH
from core.runs.paths import RunPaths
from core.training.best import BestWeights
from core.training.checkpoint import HostCopy, Parts, TrainingProgress, write_checkpoint
from core.training.recorder import Recorder
from core.training.train_data import TrainData
from core.training.writer import BackgroundWriter

log = logging.getLogger("train")

_FAILED_STEPS = (TrainingError, RuntimeError, MemoryError)
"""What ends a training whose files are in order; out of memory on a GPU is a RuntimeError."""


class Checkpointer:
    """Writes what a resume, and readers, need of a run; a context, at whose end all of it is on disk.

    A checkpoint is written when the first epoch ends, when the last one does, when asked, and in between when the last
    one is old enough. Should a step fail, the end of the epoch before it is written, too.

    Args:
        paths: the run.
        data: what it trains on.
        record: of the run.
        progress: of the run, which the loop goes on changing.
        parts: model, optimizers and EMA weights, which the steps go on changing.
        interval: seconds from one checkpoint to the next.
    """

    def __init__(
        self,
        paths: RunPaths,
        data: TrainData,
        record: Recorder,
        progress: TrainingProgress,
        parts: Parts,
        interval: float,
    ) -> None:
        self._paths, self._data, self._record = paths, data, record
        self._progress, self._parts, self._interval = progress, parts, interval
        self._best: BestWeights | None = None  # of an epoch that has ended here: those before are on disk
        self._on_disk: BestWeights | None = None  # as the thread knows it
        self._writer = BackgroundWriter()
        self._last = time.monotonic()
        self._waiting = False  # for a checkpoint to be written
        self._unwritten: partial[None] | None = None  # the end of an epoch that is newer than the newest checkpoint

    def __enter__(self) -> "Checkpointer":
        self._writer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind and issubclass(kind, _FAILED_STEPS) and self._unwritten:
            with suppress(BaseException):  # what has failed before is reported below
                self._writer.put(self._unwritten)
        self._writer.close()
        if kind is None:
            self._writer.check()
        elif self._writer.error is not None:
            log.warning("not everything could be written: %s", self._writer.error)

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint.

        Raises:
            OSError: a file could not be written.
        """
        self._writer.check()
        return time.monotonic() - self._last > self._interval and not self._waiting

    def save(self, *, wait: bool = False) -> None:
        """Write a checkpoint of this moment.

        Args:
            wait: return when it is on disk.

        Raises:
            TrainingError: a loss was not finite.
            OSError: a file could not be written.
        """
        self._record.read()
        self._put(self._checkpoint())
        if wait:
            self._writer.wait()

    def end_epoch(self, row: dict[str, Any], best: BestWeights | None, *, last: bool) -> None:
        """Take the end of an epoch, which the progress counts as done already.

        Args:
            row: of the epoch.
            best: its weights, if it is the best so far.
            last: no other epoch follows.

        Raises:
            OSError: a file could not be written.
        """
        self._best = best or self._best
        self._writer.put(partial(self._write_epoch, row, best))
        checkpoint = self._checkpoint()
        # Before the first checkpoint nothing else may look like a result: a crash would leave no way to go on from it.
        if self._progress.epoch == 1 or last or self.due:
            self._put(checkpoint)
        else:
            self._unwritten = checkpoint
        self._writer.put(partial(self._record.write_summary, self._snapshot()))

    def wait(self) -> None:
        """Return when everything is on disk.

        Raises:
            OSError: a file could not be written.
        """
        self._writer.wait()

    def _snapshot(self) -> TrainingProgress:
        return self._record.totals(self._progress)

    def _checkpoint(self) -> "partial[None]":
        """A checkpoint of this moment, to be written."""
        parts = self._parts.copy()
        self._writer.put(parts.get)  # from then on it can be written even if the GPU fails for good
        return partial(self._write_checkpoint, self._snapshot(), parts, self._best)

    def _put(self, checkpoint: "partial[None]") -> None:
        self._waiting, self._unwritten, self._last = True, None, time.monotonic()
        self._writer.put(checkpoint)

    # --- in the thread

    def _write_epoch(self, row: dict[str, Any], best: BestWeights | None) -> None:
        if best:
            row[HASH] = best.hash  # the progress has the same row: from here on it tells which file it is of
        self._record.end_epoch(row)

    def _write_checkpoint(self, progress: TrainingProgress, parts: HostCopy, best: BestWeights | None) -> None:
        self._record.sync()
        pending = best if best is not self._on_disk else None
        in_parts = progress.batch == 0 and progress.best is progress.last
        file = pending.content if pending and not in_parts else None
        write_checkpoint(self._paths.checkpoint, progress, parts, file, self._record.status.check_held)
        self._record.checkpoint_step = progress.step
        if pending:
            pending.write(self._paths, self._data, self._record.status.check_held)
            self._on_disk = pending
        self._waiting = False
