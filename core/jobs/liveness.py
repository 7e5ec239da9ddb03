"""Is the process that a run's status names still that process? Asked before anything is killed; the state that is shown
comes from `alive.lock` alone."""

import os
import signal
import socket

import psutil

from core.runs.store import RunStatus, boot_id

START_TOLERANCE_SECONDS = 0.1
"""psutil derives the start from clock ticks: the same process may read a few hundredths apart."""


def worker_process(status: RunStatus) -> psutil.Process | None:
    """The living training process of a run, if it is certain to be ours.

    Host, boot, pid, start time and command must all fit: a pid is used again sooner or later, means nothing on another
    machine or after a restart, and a dead child that nobody has reaped still has one.
    """
    if status.pid is None or status.host != socket.gethostname() or status.boot_id != boot_id():
        return None
    try:
        process = psutil.Process(status.pid)
        same_start = abs(process.create_time() - (status.process_start or 0.0)) < START_TOLERANCE_SECONDS
        trains = "core.worker" in process.cmdline()
        return process if same_start and trains and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def kill_worker(status: RunStatus, wait_seconds: float = 10) -> bool:
    """Kill a run's training process and whatever it started; whether it was there and is gone now."""
    process = worker_process(status)
    if process is None:
        return False
    try:
        if os.getpgid(process.pid) == process.pid:  # it leads a session of its own, as the runner starts it
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait(wait_seconds)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return True
    except psutil.TimeoutExpired:
        return False
    return True
