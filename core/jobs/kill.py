"""Killing a worker, or a frozen runner, and giving up a run whose process nobody can reach. Is the process that a run's
status names still that process? Asked before anything is killed; the state that is shown comes from `alive.lock` alone.
"""

import os
import signal
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil

from core.errors import RunError
from core.files import lock_is_held
from core.jobs.queue import changing
from core.machine import boot_id, host_name
from core.runs.create import write_status
from core.runs.file_time import age_of
from core.runs.liveness import has_engine
from core.runs.locks import replace_alive_lock
from core.runs.paths import RunPaths
from core.runs.reader import read_run, read_status
from core.runs.records import RunState, RunStatus

RUNNER: Final = "core.jobs.runner"
BEAT_SECONDS: Final = 10.0
"""A runner touches its lock so often."""
FROZEN_SECONDS: Final = 120.0
"""Longer than a runner ever waits for anything."""
KILL_SECONDS: Final = 10.0
"""So long a killed process may take to be gone."""

_RESUME: Final = "Resume continues from the last checkpoint."


def worker_process(paths: RunPaths, status: RunStatus) -> psutil.Process | None:
    """The living training process of a run, if it is certain to be ours.

    Host, boot, pid and command, which names the run folder, must all fit: a pid is used again sooner or later, means
    nothing on another machine or after a restart, and a dead child that nobody has reaped still has one. The start
    time would prove no more, and it moves when somebody sets the clock.
    """
    if status.pid is None or status.host != host_name() or status.boot_id != boot_id():
        return None
    try:
        process = psutil.Process(status.pid)
        command = process.cmdline()  # of a zombie it is empty
        return process if "core.worker" in command and str(paths.folder.resolve()) in command else None
    except psutil.Error:
        return None


def is_frozen(runs_root: Path, lock: Path) -> bool:
    """Whether the runner that holds this lock has not touched it for long: it was stopped, or hangs. Where the machine
    slept, a sound one may seem frozen for a moment."""
    age = age_of(lock, runs_root)
    return age is not None and age > FROZEN_SECONDS


def kill_runner(runs_root: Path) -> bool:
    """Kill this machine's runners of a runs root; whether there was one and it is gone now."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if command[1:3] == ["-m", RUNNER] and command[3:5] == ["--runs-root", str(runs_root)]:
            with suppress(psutil.Error):
                process.kill()
                found.append(process)
    gone, _ = psutil.wait_procs(found, KILL_SECONDS)
    return bool(gone) and len(gone) == len(found)


def kill_worker(paths: RunPaths, status: RunStatus) -> bool:
    """Kill a run's training process and whatever it started; whether it was there and is gone now.

    Raises:
        RunError: it is another user's.
    """
    process = worker_process(paths, status)
    if process is None:
        return False
    try:
        if os.getpgid(process.pid) == process.pid:  # it leads a session of its own, as the runner starts it
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait(KILL_SECONDS)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return True
    except psutil.TimeoutExpired:
        return False
    except (psutil.AccessDenied, PermissionError):
        raise RunError(
            f"Process {process.pid} of run {paths.run_id} belongs to {process.username()}, who alone can force-stop it."
        ) from None
    return True


def note_killed(paths: RunPaths) -> bool:
    """After a force stop: the run is `stopped`, not crashed; False if its state has changed in the meantime.

    Raises:
        RunError: its folder cannot be read or written.
    """
    with changing(paths):
        status = read_status(paths)
        if status.state != "running" or lock_is_held(paths.alive_lock):
            return False
        _write_stopped(paths, status, f"Force-stopped by user. {_RESUME}")
        return True


def _write_stopped(paths: RunPaths, status: RunStatus, error: str) -> None:
    ended = {"state": "stopped", "ended_at": datetime.now(UTC), "activity": "", "eta_seconds": None, "error": error}
    write_status(paths, status.model_copy(update=ended))
    paths.stop_request.unlink(missing_ok=True)  # last: until then it says that this is no crash


def give_up(paths: RunPaths) -> bool:
    """Mark a lost run as stopped, on the word of a person; should its process live on, it ends when it notices. False
    if it is not lost (any more).

    Raises:
        RunError: its folder cannot be read or written.
    """
    with changing(paths):
        run = read_run(paths.root, paths.run_id)
        if run.state is not RunState.LOST:
            return False
        _give_up(paths, run.status, "it was lost.")
        return True


def give_up_untold(paths: RunPaths, engine: str) -> None:
    """As `give_up`, for a run of an engine that could not be told to stop it, whether it is lost or not; nothing if it
    has ended meanwhile. A job that is still there gets no run, or loses it when it notices.

    Args:
        paths: the run.
        engine: its name, for people.

    Raises:
        RunError: its folder cannot be read or written.
    """
    with changing(paths):
        status = read_status(paths)
        if status.state in ("queued", "running") and has_engine(status):
            _give_up(paths, status, f"{engine} couldn't be told. A job of it may still be there, but trains nothing.")


def _give_up(paths: RunPaths, status: RunStatus, when: str) -> None:
    replace_alive_lock(paths)
    _write_stopped(paths, status, f"Force-stopped by user while {when} {_RESUME}")
