"""Two machines that train from one runs folder, each with its runner, while workers and runners of both are killed."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from core.config import TrainConfig
from core.jobs.control import spawn_module
from core.jobs.queue import requeue
from core.runs import liveness
from core.runs.create import create_run
from core.runs.history import read_rows
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import RunReader, read_run, read_status
from core.runs.records import Run, RunState
from tests.conftest import PROJECT_ROOT, wait_for
from tests.faults.conftest import processes_of

HOSTS = ("node-1", "node-2")
WORKER = "tests.faults.hosted_worker"
RUNNER = "tests.faults.hosts"
LIMIT_SECONDS = 600


@pytest.fixture(autouse=True)
def third_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test reads the runs as a third machine does."""
    monkeypatch.setattr(liveness, "is_local", lambda _: False)


def environment_of(host: str, machine_locks: Path) -> dict[str, str]:
    locks = machine_locks / host
    locks.mkdir(exist_ok=True)
    return {"FER_TEST_HOST": host, "FER_MACHINE_LOCKS": str(locks), "CUDA_VISIBLE_DEVICES": ""}


class Team:
    """Both machines, and a person at a third one who brings up runners and resumes what has crashed."""

    def __init__(self, runs_root: Path, machine_locks: Path, chance: random.Random, slots: int) -> None:
        self.root, self.chance = runs_root, chance
        self.environments = {
            host: {**environment_of(host, machine_locks), "FER_CPU_SLOTS": str(slots)} for host in HOSTS
        }
        self.reader = RunReader(runs_root)
        self.runners: dict[str, subprocess.Popen[bytes]] = {}
        self.brought_up: Counter[str] = Counter()
        self.requeued: Counter[str] = Counter()
        self.killed: Counter[str] = Counter()

    def bring_up_runners(self) -> None:
        for host, environment in self.environments.items():
            if host not in self.runners or self.runners[host].poll() is not None:
                roots = ["--runs-root", str(self.root), "--data-root", str(self.root)]
                command = [RUNNER, "core.jobs.runner", *roots, "--worker", WORKER]
                log = QueuePaths(self.root).folder / f"runner-{host}.log"
                self.runners[host] = spawn_module(command, log, environment)
                self.brought_up[host] += 1

    def look(self) -> list[Run]:
        """All runs; what ended early is resumed."""
        runs = self.reader.list()
        for run in runs:
            assert run.state not in (RunState.DAMAGED, RunState.LOST, RunState.STALLED), run.problem
            if run.state in (RunState.CRASHED, RunState.FAILED):
                if run.state is RunState.FAILED:
                    assert "before training started (exit code -9)" in str(run.problem)
                else:
                    assert run.status.pid not in [each.pid for each in processes_of(self.root, WORKER)], "a wrong crash"
                requeue(run.paths)
                self.requeued[run.id] += 1
        return runs

    def kill_one(self, module: str) -> None:
        """A runner or a worker of either machine, if there is one."""
        if found := processes_of(self.root, module):
            with contextlib.suppress(psutil.NoSuchProcess):
                self.chance.choice(found).kill()
                self.killed[module] += 1


@pytest.mark.timeout(LIMIT_SECONDS + 60)
@pytest.mark.parametrize(
    ("count", "kills", "slots"), [(3, 1, 1), pytest.param(100, 12, 2, marks=pytest.mark.slow)], ids=["few", "hundred"]
)
def test_no_run_is_trained_twice_and_all_end(
    runs_root: Path, machine_locks: Path, chance: random.Random, count: int, kills: int, slots: int
) -> None:
    ids = [f"run-{number:03}" for number in range(count)]
    for number, run_id in enumerate(ids):
        create_run(runs_root, TrainConfig(), run_id=run_id, queue_position=float(number))
    team = Team(runs_root, machine_locks, chance, slots)
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        runs = team.look()
        assert time.monotonic() < deadline, f"{[run.id for run in runs if run.state.is_live]} live on"
        if all(run.state is RunState.FINISHED for run in runs):
            break
        team.bring_up_runners()
        for module in (WORKER, RUNNER):
            if team.killed[module] < kills and chance.random() < 0.3:
                team.kill_one(module)
        time.sleep(chance.uniform(0.05, 0.3))
    for runner in team.runners.values():
        runner.wait(60)
    print(f"killed {dict(team.killed)}, {team.brought_up.total()} runners, {team.requeued.total()} runs resumed")

    witness = QueuePaths(runs_root).folder / "witness"
    assert list(witness.glob("violation-*")) == [], "one process per run and per slot at a time"
    for run_id in ids:
        steps = [row["step"] for row in read_rows(RunPaths(runs_root, run_id).steps)[0]]
        assert steps == [1, 2, 3, 4, 5], f"{run_id} was trained twice, or not to its end"
    starts = [line.rsplit(" ", 2) for line in (witness / "starts").read_text().splitlines()]
    times_queued = Counter(queued for queued, _, _ in starts)
    assert max(times_queued.values()) == 1, "each time a run is queued, one process trains it"
    if count > 10:
        assert team.killed == {WORKER: kills, RUNNER: kills}
        assert {host for _, host, _ in starts} == set(HOSTS)
    assert processes_of(runs_root, WORKER) == []


def test_a_machine_that_was_cut_off_and_comes_back_leaves_a_run_that_was_resumed(
    runs_root: Path, machine_locks: Path
) -> None:
    paths = create_run(runs_root, TrainConfig(), run_id="run")
    QueuePaths(runs_root).folder.mkdir(exist_ok=True)

    def start(host: str, steps: int) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", WORKER, str(paths.folder), "--data-root", str(runs_root)]
        environment = {**os.environ, **environment_of(host, machine_locks), "FER_TINY_STEPS": str(steps)}
        return subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=subprocess.DEVNULL)

    first = start("node-1", 100_000)
    wait_for(lambda: len(read_rows(paths.steps)[0]) > 2, what="the first steps")
    assert read_run(runs_root, "run").state is RunState.RUNNING
    first.send_signal(signal.SIGSTOP)
    wait_for(lambda: psutil.Process(first.pid).status() == psutil.STATUS_STOPPED, what="standing still")
    os.utime(paths.status, (0, 0))  # as after a while
    assert read_run(runs_root, "run").state is RunState.LOST
    requeue(paths)
    queued, rows = paths.status.read_bytes(), len(read_rows(paths.steps)[0])

    first.send_signal(signal.SIGCONT)
    assert first.wait(60) == 1
    assert paths.status.read_bytes() == queued, "it has left without a word"
    assert len(read_rows(paths.steps)[0]) <= rows + 1, "but for the step it was in"

    assert start("node-2", rows + 5).wait(60) == 0
    assert read_run(runs_root, "run").state is RunState.FINISHED
    assert read_status(paths).host == "node-2"
    assert [row["step"] for row in read_rows(paths.steps)[0]] == list(range(1, rows + 6))
