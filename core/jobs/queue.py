"""The queue: which run is next, and how runs enter and leave it. All under one lock, so that a run that is stopped
while a worker picks it up either starts or stops, never both."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any, Literal, Protocol, TypeVar

from filelock import Timeout
from pydantic import TypeAdapter

from core.errors import RunError, system_reason
from core.files import how_to_write, lock_is_held, make_folder, process_lock, read_regular
from core.machine import boot_id
from core.runs.create import write_status
from core.runs.liveness import DIED, has_engine, is_ours
from core.runs.locks import replace_alive_lock
from core.runs.paths import QueuePaths, RunPaths, is_run_id
from core.runs.reader import read_run, read_status
from core.runs.records import RunState, RunStatus
from core.runs.resume import require_checkpoint


class Placed(Protocol):
    """What has a place in the line."""

    @property
    def id(self) -> str: ...

    @property
    def status(self) -> RunStatus: ...


_P = TypeVar("_P", bound=Placed)


@dataclass(frozen=True)
class QueuedRun:
    """A queued run: its position and its folder. What it will train is its worker's to read."""

    paths: RunPaths
    status: RunStatus

    @property
    def id(self) -> str:
        return self.paths.run_id


@contextmanager
def queue_lock(runs_root: Path, *, make_root: bool = False) -> Iterator[None]:
    """Held for milliseconds around each change of the queue.

    Args:
        make_root: whether to make the folder of all runs if it is missing, as the start of a first run does. Nobody
            else may: one that was removed or unmounted must not come back empty.

    Raises:
        RunError: the folder cannot be written or is missing, or another process has held the lock for half a minute.
    """
    queue = QueuePaths(runs_root)
    lock = process_lock(queue.lock, timeout=30)
    try:
        make_folder(queue.folder, parents=make_root)
        lock.acquire()
    except Timeout:
        raise RunError("The queue is busy. Try again in a moment.") from None
    except OSError as error:
        advice = how_to_write(runs_root, error, "FER_RUNS_ROOT")
        raise RunError(f"Can't write the queue under {runs_root}: {system_reason(error)}.{advice}") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def changing(paths: RunPaths) -> Iterator[None]:
    """The lock of the queue, around a change that somebody waits for.

    Raises:
        RunError: as `queue_lock`, or the folder of the run cannot be written.
    """
    with queue_lock(paths.root):
        try:
            yield
        except OSError as error:
            advice = how_to_write(paths.root, error, "FER_RUNS_ROOT")
            raise RunError(f"Can't write the folder of run {paths.run_id}: {system_reason(error)}.{advice}") from error


def queued_runs(runs_root: Path) -> list[QueuedRun]:
    """Runs in the queue of this runs root, the next to start first. Those that wait in the queue of an engine are not
    among them; unreadable runs are skipped: they do not concern the queue."""
    queued = []
    for paths in (RunPaths(runs_root, name) for name in _names(runs_root)):
        if _says(paths, "queued"):
            try:
                status = read_status(paths)
            except RunError:  # corrupt, or deleted between the two looks
                continue
            if status.state == "queued" and not has_engine(status):
                queued.append(QueuedRun(paths, status))
    return by_queue_position(queued)


def by_queue_position(runs: Iterable[_P]) -> list[_P]:
    """These runs by their queue positions, the next to start first; a run that was removed keeps its position."""
    return sorted(runs, key=lambda run: (run.status.queue_position, run.id))


def stuck_runs(runs_root: Path) -> dict[str, str]:
    """Queued runs that the runner passes over, since it can neither start them nor mark them as failed: id to why."""
    try:
        return TypeAdapter(dict[str, str]).validate_json(read_regular(QueuePaths(runs_root).stuck))
    except (OSError, ValueError):
        return {}


def _names(runs_root: Path) -> list[str]:
    try:
        return [name for name in os.listdir(runs_root) if is_run_id(name)]
    except OSError:
        return []


def _says(paths: RunPaths, state: str) -> bool:
    """A cheap first look, since the runner asks twice a second and nearly all runs have ended. A link is no run."""
    try:
        return f'"{state}"'.encode() in read_regular(paths.status) and not os.path.islink(paths.folder)
    except OSError:
        return False


def end_of_queue(runs_root: Path) -> float:
    """A position behind all queued runs, even if the clock was set back; ask under the `queue_lock`."""
    return max([time(), *(run.status.queue_position + 0.001 for run in queued_runs(runs_root))])


def take_queued(paths: RunPaths, changes: Mapping[str, Any], *, job: str | None = None) -> RunStatus | None:
    """Take a run out of the queue for a worker: it is `running` from now on, with these fields of its status changed.
    None if the run is not queued (any more).

    Args:
        paths: the run.
        changes: of its status.
        job: the engine's id of the job that this worker is; None for one of this machine's runner. A job may also take
            a run that it had before, when the engine has started it again: who asks holds the run's `alive.lock`, so
            that nobody else trains it. It may not take one that was given to another job.

    Raises:
        RunError: its status cannot be read.
    """
    taken = {**changes, "state": "running", "data_root": None, "error": None, "ended_at": None, "job": job}
    with queue_lock(paths.root):
        status = read_status(paths)
        is_new = status.state == "queued" and status.job is None and (job is None) != has_engine(status)
        is_again = job is not None and status.job == job and status.state in ("queued", "running")
        return _change(paths, status, taken) if is_new or is_again else None


def note_job(paths: RunPaths, job: str) -> None:
    """Record the engine's id of the job that a queued run was just given to; its worker, once it has started, records
    that itself.

    Raises:
        RunError: its folder cannot be read or written.
    """
    with changing(paths):
        status = read_status(paths)
        if status.state == "queued":
            _change(paths, status, {"job": job})


def cancel_queued(paths: RunPaths) -> bool:
    """Remove a run from the queue; False if it is not queued (any more).

    Raises:
        RunError: its folder cannot be read or written.
    """
    with changing(paths):
        return _leave_queue(paths, {"state": "stopped", "ended_at": datetime.now(UTC), "activity": ""}) is not None


def fail_queued(paths: RunPaths, since: datetime | None, error: str) -> None:
    """Mark a queued run that could not be started as failed, unless it was requeued since; call it under the
    `queue_lock`.

    Raises:
        RunError: its status cannot be read.
    """
    if read_status(paths).queued_at == since:
        _leave_queue(paths, {"state": "failed", "ended_at": datetime.now(UTC), "activity": "", "error": error})


def claim_queued(paths: RunPaths, host: str | None) -> None:
    """Note that this machine's runner is starting a queued run, so that those of other machines take the next one; None
    takes the note back. It is no lock: whose worker comes first has the run. Call it under the `queue_lock`.

    Raises:
        RunError: its status cannot be read.
        OSError: it cannot be written.
    """
    status = read_status(paths)
    if status.state == "queued" and status.claimed_by != host:
        write_status(paths, status.model_copy(update={"claimed_by": host}))


def note_died(paths: RunPaths, pid: int) -> None:
    """Write down that the process of a run has died, which only its own machine knows for certain; nothing where it has
    said itself how it ended. Call it under the `queue_lock`.

    Args:
        paths: the run.
        pid: of the process, which was a child of this one.

    Raises:
        RunError: its status cannot be read.
        OSError: it cannot be written.
    """
    status = read_status(paths)
    if (status.state, status.pid, status.boot_id) == ("running", pid, boot_id()):
        _note_died(paths, status, datetime.now(UTC))


def note_dead(runs_root: Path) -> None:
    """Write down which processes of this machine have died while no runner of it looked, as in a power cut; call it
    under the `queue_lock`."""
    for paths in (RunPaths(runs_root, name) for name in _names(runs_root)):
        if _says(paths, "running"):
            with suppress(RunError, OSError):  # of one run, which others need not wait for
                status = read_status(paths)
                ours = status.state == "running" and not has_engine(status) and is_ours(paths, status)
                if ours and not lock_is_held(paths.alive_lock):
                    _note_died(paths, status, datetime.fromtimestamp(paths.status.stat().st_mtime, UTC))


def _note_died(paths: RunPaths, status: RunStatus, when: datetime) -> None:
    if status.ended_at is None:
        ended = {"ended_at": when, "activity": "", "eta_seconds": None, "error": status.error or DIED}
        write_status(paths, status.model_copy(update=ended))


def _leave_queue(paths: RunPaths, changes: Mapping[str, Any]) -> RunStatus | None:
    status = read_status(paths)
    if status.state != "queued":
        return None
    return _change(paths, status, changes)


def _change(paths: RunPaths, status: RunStatus, changes: Mapping[str, Any]) -> RunStatus:
    status = status.model_copy(update={"claimed_by": None, **changes})
    write_status(paths, status)
    return status


Place = Literal["first", "earlier", "later", "last"]


def move_queued(paths: RunPaths, place: Place) -> None:
    """Move a run within the queue.

    Raises:
        RunError: the run is not queued (any more), or its folder or that of one that it passes cannot be written.
    """
    with changing(paths):
        queue = queued_runs(paths.root)
        index = next((i for i, run in enumerate(queue) if run.id == paths.run_id), None)
        if index is None:
            raise RunError(f"Run {paths.run_id} is not queued.")
        target = {"first": 0, "earlier": max(0, index - 1), "later": index + 1, "last": len(queue)}[place]
        queue.insert(target, queue.pop(index))
        # The existing positions, reassigned: each run's file changes only if its place does.
        positions = sorted(run.status.queue_position for run in queue)
        for run, position in zip(queue, positions, strict=True):
            if run.status.queue_position != position:
                write_status(run.paths, run.status.model_copy(update={"queue_position": position}))


def requeue(
    paths: RunPaths, data_root: Path | None = None, *, keep_place: bool = False, launcher: str = "local"
) -> None:
    """Requeue a run that ended early, or whose process is gone, to continue from its checkpoint. Should a process of
    another machine still train it, that one ends when it notices that the lock file is another one.

    Args:
        paths: the run.
        data_root: the folder of datasets it shall use; None means the runner's.
        keep_place: whether it returns to its last position, as if it had never been removed, not to the end.
        launcher: what will start it.

    Raises:
        RunError: it is queued or running, it has finished, it has a result but no checkpoint, or its folder cannot be
            written.
    """
    with changing(paths):
        run = read_run(paths.root, paths.run_id)
        if not run.state.is_resumable:
            raise RunError(
                f"Run {run.id} is {run.state.in_words()}. Only stopped, failed, crashed or lost runs can be resumed."
            )
        require_checkpoint(paths)
        if run.state is RunState.LOST or not is_ours(paths, run.status):
            replace_alive_lock(paths)
        paths.stop_request.unlink(missing_ok=True)
        update = {
            "state": "queued",
            "queued_at": datetime.now(UTC),
            "claimed_by": None,
            "queue_position": run.status.queue_position if keep_place else end_of_queue(paths.root),
            "data_root": str(data_root) if data_root else None,
            "launcher": launcher,
            "job": None,
            "activity": "queued",
            "ended_at": None,
            "error": None,
            "eta_seconds": None,
        }
        write_status(paths, run.status.model_copy(update=update))
