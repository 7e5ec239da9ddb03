"""A restart of the machine: all processes of a folder of runs end at once, by a signal they can answer or by one they
cannot, also while somebody stops a run. What was interrupted is offered for recovery, what was stopped is not."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.config import TrainConfig
from core.files import lock_is_held
from core.jobs import control, recovery
from core.jobs.queue import queued_runs
from core.runs.create import create_run
from core.runs.history import read_rows
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import list_runs, read_run
from core.runs.records import RunState
from tests.conftest import PROJECT_ROOT, wait_for
from tests.dashboard.conftest import Opener, words
from tests.faults.conftest import processes_of

WORKER = "tests.faults.tiny_worker"


@pytest.fixture
def training(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> RunPaths:
    """A run that trains for long, beside a queued one that waits for its slot."""
    for position, name in enumerate(("training", "waiting")):
        create_run(runs_root, TrainConfig(dataset="demo"), run_id=name, queue_position=position)
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)  # after the restart
    environment = {**os.environ, "FER_TINY_STEPS": "100000", "FER_CPU_SLOTS": "1", "CUDA_VISIBLE_DEVICES": ""}
    roots = ["--runs-root", str(runs_root), "--data-root", str(runs_root), "--worker", WORKER]
    command = [sys.executable, "-m", "core.jobs.runner", *roots]
    subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stderr=subprocess.DEVNULL)
    paths = RunPaths(runs_root, "training")
    wait_for(lambda: len(read_rows(paths.steps)[0]) > 2, what="the first steps")
    return paths


def end_everything(paths: RunPaths, number: int, *, stopping: bool = False) -> None:
    """Signal runner and worker, as a restart does; `stopping`: somebody has asked for a stop a moment before."""
    found = processes_of(paths.root)
    assert len(found) == 2, "runner and worker"
    if stopping:
        for process in found:
            process.suspend()
        control.stop(paths.root, paths.run_id)
        assert paths.stop_request.exists()
    for process in found:
        process.send_signal(number)
        with contextlib.suppress(psutil.NoSuchProcess):  # it was not standing still, and has ended
            process.send_signal(signal.SIGCONT)
    locks = (paths.alive_lock, QueuePaths(paths.root).runner_lock)
    wait_for(lambda: not any(map(lock_is_held, locks)), what="the end of runner and worker")


def offered(open_page: Opener) -> list[str]:
    """What Overview offers to recover, as it says it."""
    app = open_page("overview")
    offers = re.findall(r"\d+ interrupted runs?", words(app))
    assert ("recover" in [button.key for button in app.button]) == bool(offers)
    return offers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_restart_interrupts_is_recovered(number: int, training: RunPaths, open_page: Opener) -> None:
    end_everything(training, number)
    run = read_run(training.root, "training")
    assert run.state is RunState.CRASHED
    said = "Interrupted by a signal" if number == signal.SIGTERM else "died unexpectedly"
    assert said in str(run.problem)
    assert [each.id for each in recovery.interrupted_runs(list_runs(training.root))] == ["training"]
    assert read_run(training.root, "waiting").state is RunState.QUEUED
    assert offered(open_page) == ["1 interrupted run"]
    result = CliRunner().invoke(app, ["runs", "recover", "--runs-root", str(training.root)])
    assert result.stdout == "training: requeued.\n"
    assert [each.id for each in queued_runs(training.root)] == ["waiting", "training"]
    assert read_run(training.root, "training").problem is None
    assert offered(open_page) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_person_stopped_stays_stopped(number: int, training: RunPaths, open_page: Opener) -> None:
    end_everything(training, number, stopping=True)
    run = read_run(training.root, "training")
    assert run.state is RunState.STOPPED
    assert offered(open_page) == []
    assert recovery.interrupted_runs(list_runs(training.root)) == []
    result = CliRunner().invoke(app, ["runs", "recover", "--runs-root", str(training.root)])
    assert result.stdout == "No interrupted run.\n"
    assert [each.id for each in queued_runs(training.root)] == ["waiting"]
    control.resume(training.root, training.root, "training")
    assert read_run(training.root, "training").state is RunState.QUEUED
    assert not training.stop_request.exists()


def test_a_worker_whose_folder_was_put_back_from_a_copy_ends_and_writes_nothing_there(training: RunPaths) -> None:
    """The new folder has a lock file that nobody holds: another worker may train the same run."""
    [worker] = processes_of(training.root, WORKER)
    worker.suspend()
    training.folder.rename(training.root.parent / "moved")
    shutil.copytree(training.root.parent / "moved", training.folder)
    kept = ("steps.jsonl", "meta.json", "config.json")  # a status that was being written may still come
    before = {name: (training.folder / name).read_bytes() for name in kept}
    worker.resume()
    worker.wait(20)
    assert {name: (training.folder / name).read_bytes() for name in before} == before
    assert read_run(training.root, "training").state is RunState.CRASHED
