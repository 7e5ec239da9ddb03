"""A line that no runner serves, and a run that a power cut ended."""

import os
from pathlib import Path
from typing import Any

import pytest

from core.jobs import control
from core.jobs.queue import queued_runs
from core.runs.create import write_status
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import read_status


@pytest.fixture
def no_runner(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Runs stay in line; the list tells for which folders a runner was wanted."""
    wanted: list[Path] = []
    monkeypatch.setattr(control, "ensure_runner", lambda runs_root, data_root: wanted.append(runs_root))
    return wanted


def line(runs_root: Path) -> list[str]:
    return [run.id for run in queued_runs(runs_root)]


def crash(paths: RunPaths, **changes: Any) -> None:
    """As after a power cut: the run says it is running, and nobody holds its lock."""
    status = read_status(paths)
    write_status(paths, status.model_copy(update={"state": "running", "host": os.uname().nodename, **changes}))


def lose(paths: RunPaths) -> RunPaths:
    """As where another machine, which shares the folder, has not been heard of for long; with `is_local` patched."""
    QueuePaths(paths.root).folder.mkdir(exist_ok=True)
    paths.alive_lock.touch()
    crash(paths, host="another", boot_id="of another")
    os.utime(paths.status, (0, 0))
    return paths
