"""The waiting line: which run is next, and the steps into and out of waiting. All under one lock, so that a run that is
stopped while a worker reaches for it either starts or stops, never both."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any, Literal, Protocol, TypeVar

from filelock import FileLock, Timeout

from core.errors import RunError, system_reason
from core.files import lock_is_held
from core.runs.create import write_status
from core.runs.paths import QueuePaths, RunPaths, is_run_id
from core.runs.reader import read_run, read_status
from core.runs.records import RunState, RunStatus


class Placed(Protocol):
    """What has a place in the line."""

    @property
    def id(self) -> str: ...

    @property
    def status(self) -> RunStatus: ...


_P = TypeVar("_P", bound=Placed)


@dataclass(frozen=True)
class QueuedRun:
    """A waiting run: its place, and where it is. What it will train is its worker's to read."""

    paths: RunPaths
    status: RunStatus

    @property
    def id(self) -> str:
        return self.paths.run_id


@contextmanager
def queue_lock(runs_root: Path, *, make_root: bool = False) -> Iterator[None]:
    """Held for milliseconds around each change of the waiting line.

    Args:
        make_root: whether to make the folder of all runs if it is missing, as the start of a first run does. Nobody
            else may: one that was removed or unmounted must not come back empty.

    Raises:
        RunError: the folder cannot be written or is missing, or somebody has held the lock for half a minute.
    """
    queue = QueuePaths(runs_root)
    lock = FileLock(queue.lock, timeout=30)
    try:
        queue.folder.mkdir(parents=make_root, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise RunError("The queue of runs is busy: try again in a moment.") from None
    except OSError as error:
        raise RunError(f"Cannot write the queue under {runs_root}: {system_reason(error)}.") from error
    try:
        yield
    finally:
        lock.release()


def queued_runs(runs_root: Path) -> list[QueuedRun]:
    """Queued runs, the next to start first. What cannot be read is passed over: it is not the queue's trouble."""
    waiting = []
    for paths in (RunPaths(runs_root, name) for name in _names(runs_root)):
        if _says_queued(paths):
            try:
                status = read_status(paths)
            except RunError:  # damaged, or deleted between the two looks
                continue
            if status.state == "queued":
                waiting.append(QueuedRun(paths, status))
    return in_line(waiting)


def in_line(runs: Iterable[_P]) -> list[_P]:
    """These runs by their places in the line, the next to start first; one that was taken out keeps its place."""
    return sorted(runs, key=lambda run: (run.status.queue_position, run.id))


def _names(runs_root: Path) -> list[str]:
    try:
        return [name for name in os.listdir(runs_root) if is_run_id(name)]
    except OSError:
        return []


def _says_queued(paths: RunPaths) -> bool:
    """A cheap first look, since the runner asks twice a second and nearly all runs have ended. A link is no run."""
    try:
        return b'"queued"' in paths.status.read_bytes() and not os.path.islink(paths.folder)
    except OSError:
        return False


def end_of_queue(runs_root: Path) -> float:
    """A position behind all waiting runs, even if the clock was set back; ask under the `queue_lock`."""
    return max([time(), *(run.status.queue_position + 0.001 for run in queued_runs(runs_root))])


def take_queued(paths: RunPaths, changes: Mapping[str, Any]) -> RunStatus | None:
    """A worker's step out of the line: the run is `running` from now on, with these fields of its status changed.
    None if the run is not waiting (any more).

    Raises:
        RunError: its status cannot be read.
    """
    with queue_lock(paths.root):
        return _leave_queue(paths, {**changes, "state": "running", "data_root": None, "error": None})


def cancel_queued(paths: RunPaths) -> bool:
    """Take a run out of the line; False if it is not waiting (any more)."""
    with queue_lock(paths.root):
        return _leave_queue(paths, {"state": "stopped", "ended_at": datetime.now(UTC), "activity": ""}) is not None


def fail_queued(paths: RunPaths, since: datetime | None, error: str) -> None:
    """Take a run out of the line that could not be started, unless this is no longer the wait that began then; call it
    under the `queue_lock`.

    Raises:
        RunError: its status cannot be read.
    """
    if read_status(paths).queued_at == since:
        _leave_queue(paths, {"state": "failed", "ended_at": datetime.now(UTC), "activity": "", "error": error})


def _leave_queue(paths: RunPaths, changes: Mapping[str, Any]) -> RunStatus | None:
    status = read_status(paths)
    if status.state != "queued":
        return None
    status = status.model_copy(update=changes)
    write_status(paths, status)
    return status


Place = Literal["first", "earlier", "later", "last"]


def move_queued(paths: RunPaths, place: Place) -> None:
    """Change the order of the line.

    Raises:
        RunError: the run is not waiting (any more).
    """
    with queue_lock(paths.root):
        line = queued_runs(paths.root)
        index = next((i for i, run in enumerate(line) if run.id == paths.run_id), None)
        if index is None:
            raise RunError(f"Run {paths.run_id} is not waiting, so it has no place in the line.")
        target = {"first": 0, "earlier": max(0, index - 1), "later": index + 1, "last": len(line)}[place]
        line.insert(target, line.pop(index))
        # The positions there are, dealt out anew: each run's file changes only if its place does.
        positions = sorted(run.status.queue_position for run in line)
        for run, position in zip(line, positions, strict=True):
            if run.status.queue_position != position:
                write_status(run.paths, run.status.model_copy(update={"queue_position": position}))


def note_killed(paths: RunPaths) -> bool:
    """After its process was killed on request: the run is `stopped`, not crashed; False if something else has become of
    it meanwhile."""
    with queue_lock(paths.root):
        status = read_status(paths)
        if status.state != "running" or lock_is_held(paths.alive_lock):
            return False
        paths.stop_request.unlink(missing_ok=True)
        error = "Killed on request; resume goes on from the last checkpoint."
        ended = {"state": "stopped", "ended_at": datetime.now(UTC), "activity": "", "eta_seconds": None, "error": error}
        write_status(paths, status.model_copy(update=ended))
        return True


def requeue(paths: RunPaths, data_root: Path | None = None, *, keep_place: bool = False) -> None:
    """Put a run that ended early, or whose process is gone, back in line, to go on from its checkpoint.

    Args:
        paths: the run.
        data_root: the folder of data sets it shall use; None means the runner's.
        keep_place: whether it waits where it last waited, as if it had never been taken out, not at the end.

    Raises:
        RunError: it is waiting or running, or it has finished.
    """
    with queue_lock(paths.root):
        run = read_run(paths.root, paths.run_id)
        if run.state not in (RunState.STOPPED, RunState.FAILED, RunState.CRASHED):
            raise RunError(f"Run {run.id} is {run.state}: only a stopped, failed or crashed run can be resumed.")
        paths.stop_request.unlink(missing_ok=True)
        update = {
            "state": "queued",
            "queued_at": datetime.now(UTC),
            "queue_position": run.status.queue_position if keep_place else end_of_queue(paths.root),
            "data_root": str(data_root) if data_root else None,
            "activity": "waiting",
            "ended_at": None,
            "error": None,
            "eta_seconds": None,
        }
        write_status(paths, run.status.model_copy(update=update))
