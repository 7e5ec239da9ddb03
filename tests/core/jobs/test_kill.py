"""Killing a worker: the one that hangs, and nothing else."""

import os
import signal
import time
from pathlib import Path

import pytest

from core.errors import RunError
from core.files import lock_is_held
from core.jobs import control
from core.jobs.kill import FROZEN_SECONDS, is_frozen, kill_worker, worker_process
from core.runs.create import create_run
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import read_run, read_status
from core.runs.records import RunState
from tests.core.conftest import ENDLESS, TINY, wait_until_training
from tests.core.jobs.conftest import crash


def test_a_worker_that_hangs_is_killed_and_nothing_else_is(demo_root: Path, runs_root: Path) -> None:
    run_id = control.start(runs_root, demo_root, ENDLESS)
    paths = RunPaths(runs_root, run_id)
    wait_until_training(paths)
    status = read_status(paths)
    process = worker_process(paths, status)
    assert process is not None
    assert process.pid == status.pid
    for change in (
        {"host": "another"},
        {"boot_id": "before the restart"},
        {"pid": os.getpid()},  # used again, by something else
        {"pid": None},
        {"pid": 2**22 + 1},
    ):
        assert worker_process(paths, status.model_copy(update=change)) is None
        assert not kill_worker(paths, status.model_copy(update=change))
    another = RunPaths(runs_root, "another-run")
    assert worker_process(another, status) is None, "the pid was used again, by the worker of another run"
    assert process.is_running()
    process.send_signal(signal.SIGSTOP)  # it hangs: a polite stop would wait for ever
    control.stop_now(runs_root, run_id)
    run = read_run(runs_root, run_id)
    assert run.state is RunState.STOPPED
    assert run.problem is None or "Resume" in run.problem
    assert not paths.stop_request.exists()
    assert not lock_is_held(paths.alive_lock)
    control.stop_now(runs_root, run_id)  # twice is harmless


@pytest.mark.parametrize("hours", [-1, 0, 1])
def test_a_runner_is_frozen_by_the_clock_that_its_lock_is_touched_by(
    runs_root: Path, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = QueuePaths(runs_root).runner_lock
    lock.parent.mkdir()
    lock.touch()
    real = time.time()
    monkeypatch.setattr(time, "time", lambda: real + 3600 * hours)
    assert not is_frozen(runs_root, lock)
    os.utime(lock, (real - FROZEN_SECONDS - 60, real - FROZEN_SECONDS - 60))
    assert is_frozen(runs_root, lock)


def test_a_worker_elsewhere_is_not_killed_from_here(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = create_run(runs_root, TINY, run_id="far")
    crash(paths, host="another", pid=1)
    monkeypatch.setattr("core.runs.liveness.lock_is_held", lambda path: True)
    with pytest.raises(RunError, match="can't be force-stopped"):
        control.stop_now(runs_root, "far")
