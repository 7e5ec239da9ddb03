"""Many runs over four slots while workers and runners are killed at random."""

import contextlib
import random
import re
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from core.config import TrainConfig
from core.files import lock_is_held
from core.jobs.control import spawn_module
from core.jobs.queue import requeue
from core.runs.create import create_run
from core.runs.history import read_rows
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import list_runs
from core.runs.records import RunState
from tests.faults.conftest import processes_of

TINY_WORKER = "tests.faults.tiny_worker"
LIMIT_SECONDS = 280


def start_runner(runs_root: Path) -> subprocess.Popen[bytes]:
    roots = ["--runs-root", str(runs_root), "--data-root", str(runs_root)]
    environment = {"FER_CPU_SLOTS": "4", "CUDA_VISIBLE_DEVICES": ""}
    log = QueuePaths(runs_root).runner_log
    return spawn_module(["core.jobs.runner", *roots, "--worker", TINY_WORKER], log, environment)


def kill_one(processes: list[psutil.Process], chance: random.Random) -> psutil.Process | None:
    if not processes:
        return None
    victim = chance.choice(processes)
    with contextlib.suppress(psutil.NoSuchProcess):
        victim.kill()
    return victim


@pytest.mark.timeout(LIMIT_SECONDS + 20)
@pytest.mark.parametrize(
    ("count", "worker_kills", "runner_kills"), [(70, 12, 4), pytest.param(200, 30, 10, marks=pytest.mark.slow)]
)
def test_no_run_is_lost_doubled_or_overtaken(
    runs_root: Path, chance: random.Random, count: int, worker_kills: int, runner_kills: int
) -> None:
    queue = QueuePaths(runs_root)
    ids = [f"run-{number:03}" for number in range(count)]
    for number, run_id in enumerate(ids):
        create_run(runs_root, TrainConfig(), run_id=run_id, queue_position=float(number))
    hit: set[str] = set()
    """Runs that a kill has put out of the order they were started in."""
    runners: list[subprocess.Popen[bytes]] = []
    killed = {"worker": 0, "runner": 0}
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        assert time.monotonic() < deadline, f"{[run.id for run in list_runs(runs_root) if run.state.is_live]} live on"
        if not lock_is_held(queue.runner_lock) and all(each.poll() is not None for each in runners):
            runners.append(start_runner(runs_root))
        runs = list_runs(runs_root)
        assert not [run.id for run in runs if run.state is RunState.DAMAGED]
        for run in runs:
            if run.state in (RunState.CRASHED, RunState.FAILED):  # as somebody does who presses Resume
                if run.state is RunState.FAILED:
                    assert (
                        run.problem
                        == "The training process exited before training started (exit code -9). See the log."
                    )
                hit.add(run.id)
                requeue(run.paths)
        if all(run.state is RunState.FINISHED for run in runs):
            break
        if killed["worker"] < worker_kills:
            victim = kill_one(processes_of(runs_root, TINY_WORKER), chance)
            killed["worker"] += victim is not None
        if killed["runner"] < runner_kills and chance.random() < 0.3:
            victim = kill_one(processes_of(runs_root, "core.jobs.runner"), chance)
            killed["runner"] += victim is not None
        time.sleep(chance.uniform(0.05, 0.4))
    for runner in runners:
        runner.wait(30)
    print(f"killed {killed}, {len(runners)} runners, {len(hit)} runs put back in line")
    assert killed == {"worker": worker_kills, "runner": runner_kills}
    assert len(hit) > worker_kills / 10, "the kills must have met something"

    assert list((queue.folder / "witness").glob("violation-*")) == [], "one process per run and per slot at a time"
    for run_id in ids:
        rows = [row["step"] for row in read_rows(RunPaths(runs_root, run_id).steps)[0]]
        assert rows == [1, 2, 3, 4, 5], f"{run_id} was trained twice, or not to its end"
    starts = re.findall(r"(run-\d+) starts on (\S+)", queue.runner_log.read_text())
    assert {slot for _, slot in starts} == {"cpu-0", "cpu-1", "cpu-2", "cpu-3"}
    first_starts = [run_id for run_id in dict.fromkeys(run_id for run_id, _ in starts) if run_id not in hit]
    assert len(first_starts) > count / 2
    assert first_starts == sorted(first_starts), "in the order of the line"
    assert processes_of(runs_root, TINY_WORKER) == []
