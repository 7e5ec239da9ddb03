"""Work that goes on when the page that began it is left, shared by all viewers: the import of a dataset, and the
scoring of a run."""

import logging
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from core.data.dataset import DatasetInfo, ImportProgress
from core.errors import CountsDifferError, DataError, FerError, explain_system_error
from core.jobs import control
from core.machine import thread_share
from core.processes import lower_priority, start_module
from core.runs.paths import RunPaths

WATCH_SECONDS: Final = 15.0
"""So often it is looked whether queued runs have a runner; longer than one takes to start."""

log = logging.getLogger(__name__)


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
    owner: str = ""
    """Whose import it is; empty: everybody's."""

    @property
    def seconds_left(self) -> float | None:
        return self.seconds / self.done * (self.total - self.done) if self.done else None


class Importer:
    """Runs one import in a thread. A thread is enough: an import is all or nothing, and can simply be done again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = 0.0
        self._now = Snapshot()

    def start(self, work: Callable[[ImportProgress], DatasetInfo], owner: str = "") -> None:
        """Begin.

        Args:
            work: the import.
            owner: whom its outcome concerns; empty: everybody.

        Raises:
            DataError: another import is running.
        """
        with self._lock:
            if self._now.running:
                raise DataError("Another import is in progress. Try again when it has finished.")
            self._started = time.monotonic()
            self._now = Snapshot(running=True, owner=owner)
        threading.Thread(target=self._run, args=(work, owner), name="import", daemon=True).start()

    def look(self) -> Snapshot:
        """The present state."""
        return self._now

    def forget(self) -> None:
        """Drop the result or error of an import that has ended, once it has been shown."""
        with self._lock:
            if not self._now.running:
                self._now = Snapshot()

    def _run(self, work: Callable[[ImportProgress], DatasetInfo], owner: str) -> None:
        snapshot = partial(Snapshot, owner=owner)

        def progress(done: int, total: int) -> None:
            self._now = snapshot(running=True, done=done, total=total, seconds=time.monotonic() - self._started)

        try:
            self._now = snapshot(result=work(progress))
        except CountsDifferError as error:
            self._now = snapshot(error=str(error), differences=tuple(error.differences))
        except FerError as error:
            self._now = snapshot(error=str(error))
        except Exception as error:
            log.exception("An import failed.")
            said = explain_system_error(error) or "The import failed. See the server log for details."
            self._now = snapshot(error=said)


@dataclass(frozen=True)
class Scoring:
    """Whether a scoring is going on or queued, or how it failed."""

    running: bool = False
    ahead: int | None = None
    """How many scorings come before it; None if it is not queued."""
    error: str = ""

    @property
    def is_live(self) -> bool:
        """Whether there is something to wait for."""
        return self.running or self.ahead is not None


@dataclass(frozen=True)
class _Job:
    """What is to be scored."""

    paths: RunPaths
    split: str
    data_root: Path
    threads: int

    @property
    def key(self) -> tuple[Path, str]:
        return self.paths.folder, self.split


class Scorings:
    """Runs `python -m core evaluate`, one at a time, the others queued: each takes half a gigabyte. On the CPU, with
    fewer cores than a run has and a lower priority, since GPUs and cores belong to the runs. In processes of their own:
    torch would slow this server down, and what they compute outlives it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[_Job] = []
        """The first is running."""
        self._errors: dict[tuple[Path, str], str] = {}

    def start(self, paths: RunPaths, split: str, data_root: Path) -> None:
        """Begin or queue it, unless that was done before.

        Raises:
            ConfigError: `FER_CPU_SLOTS` makes no sense.
        """
        job = _Job(paths, split, data_root.resolve(), thread_share(beside_runs=True))
        with self._lock:
            if any(each.key == job.key for each in self._queue):
                return
            self._errors.pop(job.key, None)
            self._queue.append(job)
            if len(self._queue) == 1:
                threading.Thread(target=self._work, name="scorings", daemon=True).start()

    def look(self, paths: RunPaths, split: str) -> Scoring:
        """The present state."""
        key = paths.folder, split
        with self._lock:
            ahead = next((place for place, job in enumerate(self._queue) if job.key == key), None)
            if ahead == 0:
                return Scoring(running=True)
            return Scoring(ahead=ahead, error=self._errors.get(key, ""))

    def _work(self) -> None:
        """Until the queue is empty."""
        job: _Job | None = self._queue[0]
        while job:
            try:
                error = _score(job)
            except Exception as trouble:
                log.exception("Scoring %s on %s failed.", job.paths.run_id, job.split)
                error = explain_system_error(trouble) or _SERVER_LOG
            with self._lock:
                if error:
                    self._errors[job.key] = error
                self._queue.pop(0)
                job = self._queue[0] if self._queue else None


_SERVER_LOG: Final = "Scoring failed. See the server log for details."


def _score(job: _Job) -> str:
    """Wait for one scoring; what went wrong in a sentence, or nothing."""
    roots = ["--runs-root", str(job.paths.root.resolve()), "--data-root", str(job.data_root)]
    with tempfile.TemporaryFile() as said:
        process = start_module(
            *("core", "evaluate", job.paths.run_id, "--split", job.split, *roots),
            *("--device", "cpu", "--threads", str(job.threads), "--by-server"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        lower_priority(process)
        code = process.wait()
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
    if code == 0:
        return ""
    if code == 2 and lines:
        return lines[-1]
    log.error("Scoring %s on %s failed:\n%s", job.paths.run_id, job.split, "\n".join(lines))  # a traceback
    return _SERVER_LOG


class QueueWatch:
    """Has a runner brought up where runs are queued and none looks after them, for all viewers of a server together.

    Args:
        queued: whether runs are queued.
    """

    def __init__(self, queued: Callable[[], bool]) -> None:
        self._queued = queued
        self._lock = threading.Lock()
        self._next = time.monotonic() + WATCH_SECONDS

    def look(self, runs_root: Path, data_root: Path) -> None:
        """Look, unless somebody has a moment ago; what has to be done is done beside the page."""
        with self._lock:
            if time.monotonic() < self._next:
                return
            self._next = time.monotonic() + WATCH_SECONDS
        try:
            if self._queued() and not control.has_runner(runs_root):
                threading.Thread(target=self._serve, args=(runs_root, data_root), name="serve", daemon=True).start()
        except (FerError, OSError) as error:
            log.warning("The queue can't be looked after: %s", error)

    def _serve(self, runs_root: Path, data_root: Path) -> None:
        try:
            control.serve_queue(runs_root, data_root)
        except FerError:
            log.exception("No runner could be started.")
