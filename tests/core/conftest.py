"""Tiny runs that are really trained, which several folders of tests share."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from core.config import TrainConfig
from core.files import lock_is_held
from core.runs.history import read_rows
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import read_run
from core.runs.records import Run, RunState
from tests.conftest import PROJECT_ROOT, kill_processes_of, wait_for

if TYPE_CHECKING:
    from tests.core.terminal import Terminal

TINY = TrainConfig(
    dataset="demo", epochs=2, batch_size=16, images_per_epoch=48, model="cnn-model-1", threads=1, device="cpu"
)
ENDLESS = TINY.model_copy(update={"epochs": 10_000})
MISSING = TINY.model_copy(update={"dataset": "not-imported"})

START_SECONDS = 90
"""Patience with two busy cores: a worker imports torch first."""


def wait_for_end(runs_root: Path, run_id: str, seconds: float = START_SECONDS) -> Run:
    """What became of a run, once its process has let go of it: the end is said in its status before that.

    So what follows may look at all that a process leaves behind, and finds the run as the next one would.
    """
    wait_for(lambda: not read_run(runs_root, run_id).state.is_live, seconds, f"the end of {run_id}")
    paths = RunPaths(runs_root, run_id)
    wait_for(lambda: not lock_is_held(paths.alive_lock), seconds, f"the process of {run_id} letting go")
    return read_run(runs_root, run_id)


def wait_for_state(runs_root: Path, run_id: str, state: RunState, seconds: float = START_SECONDS) -> Run:
    wait_for(lambda: read_run(runs_root, run_id).state is state, seconds, f"{run_id} being {state}")
    return read_run(runs_root, run_id)


def wait_until_training(paths: RunPaths) -> None:
    wait_for(lambda: len(read_rows(paths.steps)[0]) > 0, START_SECONDS, "the first step")


def processes(runs_root: Path, module: str) -> list[psutil.Process]:
    """Living processes `python -m MODULE` of this folder of runs."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        if module in command and any(str(runs_root) in part for part in command):
            found.append(process)
    return found


def wait_until_runner_left(runs_root: Path) -> None:
    wait_for(lambda: not lock_is_held(QueuePaths(runs_root).runner_lock), 20, "the runner leaving")


@pytest.fixture(scope="session")
def two_runs(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str], str]]:
    """Two runs started one right after the other by a process that has ended since, and what that process printed. The
    second fails, which is quicker than training again."""
    runs_root = tmp_path_factory.mktemp("two") / "runs"
    code = (
        "import json, sys, time; from pathlib import Path\n"
        "from core.config import TrainConfig; from core.jobs.control import start\n"
        "config, begin = TrainConfig(**json.loads(sys.argv[1])), time.monotonic()\n"
        "other = config.model_copy(update={'dataset': 'not-imported'})\n"
        "roots = Path(sys.argv[2]), Path(sys.argv[3])\n"
        "ids = [start(*roots, config, name='one'), start(*roots, other, name='two')]\n"
        "print(json.dumps([ids, time.monotonic() - begin, 'torch' in sys.modules]))\n"
    )
    # The folder of runs is given as people type it, relative to where they are.
    result = subprocess.run(
        [sys.executable, "-c", code, TINY.model_dump_json(), "runs", str(demo_root)],
        cwd=runs_root.parent,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    ids, _, _ = json.loads(result.stdout)
    try:
        for run_id in ids:
            wait_for_end(runs_root, run_id)
        yield runs_root, ids, result.stdout
    finally:
        kill_processes_of(runs_root)


@pytest.fixture
def fer(runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> "Terminal":
    """The command line; the runs it starts wait until the test itself works on them."""
    from tests.core.terminal import Terminal

    monkeypatch.setattr("core.jobs.control.ensure_runner", lambda *_: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the test's process stays as it is
    return Terminal(runs_root, demo_root)
