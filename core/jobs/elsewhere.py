"""Runs that the engine of a cluster trains: handing them over, and taking them back. Those of this machine stay in the
queue until its runner takes them."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import FerError, RunError, system_reason
from core.files import lock_is_held, touch
from core.jobs.launchers import LOCAL, get_launcher, launcher_title, why_not_launcher
from core.jobs.launchers.base import Launcher
from core.jobs.queue import queue_lock
from core.runs.create import write_status
from core.runs.delete import delete_run, force_stop_command
from core.runs.paths import RunPaths
from core.runs.reader import read_status
from core.runs.records import Run, RunState


def require_launcher(name: str) -> Launcher:
    """The launcher of that name, with which something can be started now.

    Raises:
        ConfigError: there is none of that name.
        RunError: nothing can be started with it; the sentence says why.
    """
    launcher = get_launcher(name)
    if reason := launcher.why_not():
        raise RunError(reason)
    return launcher


def launcher_like(run: Run) -> str:
    """Where a run like this one is to be trained: as it was, if that is possible from here, else on this machine."""
    name = run.status.launcher
    return LOCAL if why_not_launcher(name) else name


def hand_over_new(launcher: Launcher, paths: RunPaths, data_root: Path) -> None:
    """Have a run trained that was just made. Where an engine refuses it, nothing is left of it.

    Raises:
        FerError: it was refused.
    """
    try:
        launcher.start(paths, data_root)
    except FerError:
        if launcher.name != LOCAL:
            with suppress(RunError):  # a worker has taken it all the same: then it is a run like others
                delete_run(paths.root, paths.run_id, queued=True)
        raise


def hand_over_again(launcher: Launcher, before: Run, data_root: Path) -> None:
    """Have a run trained that was just requeued. Where an engine refuses it, it is as it was before.

    Raises:
        FerError: it was refused.
    """
    try:
        launcher.start(before.paths, data_root)
    except FerError:
        if launcher.name != LOCAL:
            _put_back(before)
        raise


def _put_back(before: Run) -> None:
    was = before.status
    if before.state is RunState.STOPPED:  # what said so beside the status is gone
        was = was.model_copy(update={"state": "stopped"})
    with queue_lock(before.paths.root):
        if read_status(before.paths).state == "queued":
            write_status(before.paths, was)


def stop_elsewhere(run: Run) -> None:
    """Stop a run that an engine has: one that waits there is stopped at once, one that trains ends with a checkpoint.

    Raises:
        RunError: the engine does not answer, or there is none of its name; a run that trains will end all the same. Or
            the folder cannot be written.
    """
    paths, name = run.paths, run.status.launcher
    try:
        touch(paths.stop_request)  # first: the process must know that a person has stopped it
    except OSError as error:
        raise RunError(f"Can't ask run {run.id} to stop: {system_reason(error)}.") from error
    try:
        launcher = get_launcher(name)
        launcher.stop(paths)
    except FerError as error:
        otherwise = f"If {launcher_title(name)} is gone for good, force-stop the run: {force_stop_command(run.id)}"
        raise RunError(f"{error} {otherwise}") from error
    _note_stopped(launcher, paths)


def _note_stopped(launcher: Launcher, paths: RunPaths) -> None:
    """A run without a process, which nobody will have one for, is stopped; any other writes that itself."""
    gone = launcher.alive([paths]).get(paths.run_id)
    with queue_lock(paths.root):
        status = read_status(paths)
        waits = status.state == "queued"  # a worker that would still take it is refused
        left = status.state == "running" and gone is not None and gone.alive == "no" and not _is_held(paths)
        if waits or left:
            write_status(paths, status.model_copy(update=_stopped()))
            paths.stop_request.unlink(missing_ok=True)


def _stopped() -> dict[str, Any]:
    return {"state": "stopped", "ended_at": datetime.now(UTC), "activity": "", "eta_seconds": None, "error": None}


def _is_held(paths: RunPaths) -> bool:
    try:
        return lock_is_held(paths.alive_lock)
    except OSError:  # nobody can tell: its process, if there is one, writes how it ends
        return True
