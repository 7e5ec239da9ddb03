"""The waiting line: which run is next, and the steps into and out of waiting. All under one lock, so that a run that is
stopped while the runner reaches for it either starts or stops, never both."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import time

from filelock import FileLock

from core.errors import RunError
from core.runs.layout import QueuePaths, RunPaths, is_run_id
from core.runs.store import Run, RunState, read_run, read_status, write_status


@contextmanager
def queue_lock(runs_root: Path) -> Iterator[None]:
    """Held for milliseconds around each change of the waiting line."""
    queue = QueuePaths(runs_root)
    queue.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(queue.lock, timeout=30):
        yield


def waiting_runs(runs_root: Path) -> list[Run]:
    """Queued runs, the next to start first."""
    queued = [read_run(runs_root, name) for name in _names(runs_root) if _says_queued(RunPaths(runs_root, name))]
    waiting = [run for run in queued if run.state is RunState.QUEUED]
    return sorted(waiting, key=lambda run: (run.status.queue_position, run.id))


def _names(runs_root: Path) -> list[str]:
    try:
        return [name for name in os.listdir(runs_root) if is_run_id(name)]
    except FileNotFoundError:
        return []


def _says_queued(paths: RunPaths) -> bool:
    """A cheap first look, since the runner asks twice a second and nearly all runs have ended."""
    try:
        return b'"queued"' in paths.status.read_bytes()
    except OSError:
        return False


def cancel_waiting(paths: RunPaths) -> bool:
    """Take a run out of the line; False if it is not waiting (any more)."""
    with queue_lock(paths.root):
        status = read_status(paths)
        if status.state != "queued":
            return False
        now = datetime.now(UTC)
        write_status(paths, status.model_copy(update={"state": "stopped", "ended_at": now, "activity": ""}))
        return True


def requeue(paths: RunPaths) -> None:
    """Put a run that ended early, or whose process is gone, at the end of the line, to go on from its checkpoint.

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
            "queue_position": time(),
            "activity": "waiting",
            "ended_at": None,
            "error": None,
            "eta_seconds": None,
        }
        write_status(paths, run.status.model_copy(update=update))
