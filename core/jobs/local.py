"""Starting and stopping runs on this machine: the folder first, then a runner that picks it up.

The runner and its workers are in sessions of their own, so that they outlive the page, the server and the terminal.
"""

import os
import subprocess
import sys
from pathlib import Path

from core.config import PROJECT_ROOT, TrainConfig
from core.errors import RunError
from core.files import lock_is_held
from core.jobs.queue import cancel_waiting, queue_lock, requeue
from core.runs.layout import QueuePaths
from core.runs.store import RunState, create_run, read_run


def start(
    runs_root: Path,
    data_root: Path,
    config: TrainConfig,
    *,
    name: str = "",
    author: str = "",
    parent: str | None = None,
) -> str:
    """Put a new run in the queue and make sure that a runner is up. Returns its id at once, without waiting.

    Raises:
        RunError: the run folder cannot be written.
    """
    with queue_lock(runs_root):  # the runner must not leave between the two
        paths = create_run(runs_root, config, name=name, author=author, parent=parent)
    ensure_runner(runs_root, data_root)
    return paths.run_id


def stop(runs_root: Path, run_id: str) -> None:
    """Ask a run to stop: a waiting one leaves the queue, a running one ends at its next batch with a checkpoint.

    Harmless when said twice or too late.

    Raises:
        RunError: there is no such run.
    """
    run = read_run(runs_root, run_id)
    if run.state in (RunState.QUEUED, RunState.RUNNING, RunState.STALLED) and not cancel_waiting(run.paths):
        run.paths.stop_request.touch()


def resume(runs_root: Path, data_root: Path, run_id: str) -> None:
    """Put a stopped, failed or crashed run back in the queue; it goes on from its last checkpoint.

    Raises:
        RunError: there is no such run, or its state does not allow it.
    """
    run = read_run(runs_root, run_id)
    if run.config is None:
        raise RunError(f"Run {run_id} cannot be resumed: {run.problem}")
    requeue(run.paths)
    ensure_runner(runs_root, data_root)


def ensure_runner(runs_root: Path, data_root: Path) -> None:
    """Start this machine's runner unless one is up. Two at once are harmless: the second leaves by itself."""
    queue = QueuePaths(runs_root)
    queue.folder.mkdir(parents=True, exist_ok=True)
    if lock_is_held(queue.runner_lock):
        return
    command = ["core.jobs.runner", "--runs-root", str(runs_root), "--data-root", str(data_root)]
    spawn_module(command, queue.runner_log)


def spawn_module(
    arguments: list[str], log: Path, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """`python -m ARGUMENTS` in a session of its own, its output appended to a log file."""
    path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH", "")]))
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=PROJECT_ROOT,
            env={**os.environ, **(environment or {}), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
