"""Starting, queueing, stopping and killing real runner and worker processes, on a tiny drawn set."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from filelock import FileLock

from core import worker
from core.config import TrainConfig
from core.errors import ConfigError, DataError, RunError
from core.files import lock_is_held
from core.jobs import control, queue
from core.jobs.queue import end_of_queue, fail_queued, queue_lock, queued_runs, requeue, take_queued
from core.jobs.runner import LOG_BYTES, Runner
from core.jobs.slots import Slot, _gpu_slots, list_slots
from core.machine import available_cores
from core.runs.create import create_run, write_status
from core.runs.history import read_rows
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import list_runs, read_run, read_status
from core.runs.records import Run, RunState
from core.training.compute import choose_compute
from tests.conftest import PROJECT_ROOT, kill_processes_of, wait_for

TINY = TrainConfig(
    dataset="demo", epochs=2, batch_size=16, images_per_epoch=48, model="cnn-model-1", threads=1, device="cpu"
)
ENDLESS = TINY.model_copy(update={"epochs": 10_000})
MISSING = TINY.model_copy(update={"dataset": "not-imported"})

START_SECONDS = 90
"""Patience with two busy cores: a worker imports torch first."""


def wait_for_end(runs_root: Path, run_id: str, seconds: float = START_SECONDS) -> Run:
    wait_for(lambda: not read_run(runs_root, run_id).state.is_live, seconds, f"the end of {run_id}")
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


# --- whole lives


@pytest.fixture(scope="module")
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


def test_a_start_is_quick_and_imports_no_torch(two_runs: tuple[Path, list[str], str]) -> None:
    _, seconds, torch_was_imported = json.loads(two_runs[2])
    assert seconds < 2, "for both, on a busy machine"
    assert not torch_was_imported


def test_two_starts_give_two_runs_that_run_in_order(two_runs: tuple[Path, list[str], str]) -> None:
    runs_root, ids, _ = two_runs
    first, second = (read_run(runs_root, run_id) for run_id in ids)
    assert first.state is RunState.FINISHED, first.problem
    assert second.state is RunState.FAILED, second.problem
    assert (first.name, second.name) == ("one", "two")
    assert first.status.ended_at is not None
    assert second.status.started_at is not None
    assert first.status.ended_at <= second.status.started_at, "one slot, one run at a time"


def test_a_finished_run_has_every_file_and_its_figures(two_runs: tuple[Path, list[str], str]) -> None:
    runs_root, [run_id, _], _ = two_runs
    run = read_run(runs_root, run_id)
    paths = run.paths
    files = {path.name for path in paths.folder.iterdir()}
    wanted = "config status environment meta summary".split()
    assert {f"{name}.json" for name in wanted} <= files
    assert {"epochs.jsonl", "steps.jsonl", "system.jsonl", "train.log", "alive.lock"} <= files
    assert {"checkpoint.pt", "fer2013_model_2.pth"} <= files
    assert {"predictions-validation.parquet", "predictions-test.parquet"} <= files
    assert not [name for name in files if name.startswith(".tmp-")]
    assert "stop.request" not in files
    assert [row["epoch"] for row in read_rows(paths.epochs)[0]] == [1, 2]
    assert [row["step"] for row in read_rows(paths.steps)[0]] == [1, 2, 3, 4, 5, 6]
    assert run.status.progress == 1.0
    assert run.status.eta_seconds is None
    assert run.status.epoch == 2
    assert run.summary.epochs_done == 2
    test = run.metrics("test")
    assert test and test.images == 42
    assert torch.load(paths.checkpoint, weights_only=True)["progress"]["epoch"] == 2


def test_nothing_in_a_finished_run_knows_where_it_lies(two_runs: tuple[Path, list[str], str]) -> None:
    runs_root, [run_id, _], _ = two_runs
    for path in (runs_root / run_id).iterdir():
        assert str(runs_root.parent).encode() not in path.read_bytes(), path.name


def test_every_file_of_a_finished_run_is_described(two_runs: tuple[Path, list[str], str]) -> None:
    runs_root, [run_id, _], _ = two_runs
    text = (PROJECT_ROOT / "runs" / "README.md").read_text()
    for path in [*(runs_root / run_id).iterdir(), *(runs_root / ".queue").iterdir()]:
        name = re.sub(r"^predictions-\w+\.", "predictions-<split>.", path.name)
        name = re.sub(r"^slot-.*\.lock$", "slot-<slot>.lock", name)
        assert f"`{name}`" in text or f"`{name}/`" in text, f"runs/README.md does not name {name}"


FIELDS_OF: dict[str, Callable[[RunPaths], set[str]]] = {
    "status.json": lambda paths: set(json.loads(paths.status.read_text())),
    "meta.json": lambda paths: set(json.loads(paths.meta.read_text())),
    "summary.json": lambda paths: set(json.loads(paths.summary.read_text())),
    "environment.json": lambda paths: set(json.loads(paths.environment.read_text())),
    "epochs.jsonl": lambda paths: set().union(*read_rows(paths.epochs)[0]),
    "steps.jsonl": lambda paths: set().union(*read_rows(paths.steps)[0]),
}


@pytest.mark.parametrize("name", FIELDS_OF)
def test_every_field_of_a_finished_run_is_described(two_runs: tuple[Path, list[str], str], name: str) -> None:
    runs_root, [run_id, _], _ = two_runs
    text = (PROJECT_ROOT / "runs" / "README.md").read_text()
    [section] = re.findall(rf"^## `{re.escape(name)}`.*?(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    fields = FIELDS_OF[name](RunPaths(runs_root, run_id))
    assert [field for field in sorted(fields) if f"`{field}`" not in section] == []


def test_the_plain_script_reads_runs(two_runs: tuple[Path, list[str], str]) -> None:
    runs_root, [run_id, _], _ = two_runs
    [script] = re.findall(r"```python\n(.*?)```", (PROJECT_ROOT / "runs" / "README.md").read_text(), re.DOTALL)
    script += "    print(losses)\n"
    command = [sys.executable, "-I", "-c", script]
    result = subprocess.run(command, cwd=runs_root.parent, capture_output=True, text=True, check=True)
    run = read_run(runs_root, run_id)
    losses = [row["train_loss"] for row in read_rows(RunPaths(runs_root, run_id).epochs)[0]]
    assert result.stdout == f"{run_id} finished {run.validation_accuracy}\n{losses}\n"


def test_the_runner_leaves_when_nothing_waits(two_runs: tuple[Path, list[str], str]) -> None:
    wait_until_runner_left(two_runs[0])
    assert "runner leaves" in QueuePaths(two_runs[0]).runner_log.read_text()


def test_a_run_is_stopped_within_30_seconds_and_resumed_to_its_end(demo_root: Path, runs_root: Path) -> None:
    config = TINY.model_copy(update={"epochs": 6, "images_per_epoch": 160})  # 10 steps each
    running = control.start(runs_root, demo_root, config)
    waiting = control.start(runs_root, demo_root, config)
    paths = RunPaths(runs_root, running)
    wait_until_training(paths)

    control.stop(runs_root, waiting)
    assert read_run(runs_root, waiting).state is RunState.STOPPED, "at once: nobody has begun it"
    assert read_run(runs_root, running).state is RunState.RUNNING

    begin = time.monotonic()
    control.stop(runs_root, running)
    control.stop(runs_root, running)
    stopped = wait_for_end(runs_root, running)
    assert time.monotonic() - begin < 30
    assert stopped.state is RunState.STOPPED
    assert stopped.problem is None
    control.stop(runs_root, running)
    assert not paths.stop_request.exists(), "too late is harmless, too"

    done = torch.load(paths.checkpoint, weights_only=True)["progress"]["step"]
    assert 0 < done < 60
    control.resume(runs_root, demo_root, running)
    finished = wait_for_end(runs_root, running)
    assert finished.state is RunState.FINISHED, finished.problem
    assert [row["step"] for row in read_rows(paths.steps)[0]] == list(range(1, 61)), "no gap and no double"
    assert [row["epoch"] for row in read_rows(paths.epochs)[0]] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(RunError, match="is finished: only a stopped, failed or crashed run can be resumed"):
        control.resume(runs_root, demo_root, running)
    assert read_run(runs_root, waiting).state is RunState.STOPPED, "it was never started"
    assert not RunPaths(runs_root, waiting).log.exists()


def test_a_killed_worker_has_crashed_and_the_next_run_starts(demo_root: Path, runs_root: Path) -> None:
    first = control.start(runs_root, demo_root, ENDLESS)
    second = control.start(runs_root, demo_root, MISSING)
    wait_for_state(runs_root, first, RunState.RUNNING)
    [victim] = [each for each in processes(runs_root, "core.worker") if str(runs_root / first) in each.cmdline()]
    assert victim.pid == read_status(RunPaths(runs_root, first)).pid
    victim.kill()
    wait_for_state(runs_root, first, RunState.CRASHED, 10)

    # The data set of the next one is not there: it ends with a sentence that says what to do.
    failed = wait_for_end(runs_root, second)
    assert failed.state is RunState.FAILED
    assert failed.problem == (
        "Dataset 'not-imported' is not imported. Run `python -m core data import PATH` or use the Data page."
    )
    assert "Traceback" in failed.paths.log.read_text()

    # A damaged settings file ends as failed, too, and is not tried again and again.
    third = RunPaths(runs_root, first)
    third.config.write_text('{"epochs": 2, "lear')
    requeue(third)
    control.ensure_runner(runs_root, demo_root)
    damaged = wait_for_end(runs_root, first)
    assert damaged.state is RunState.FAILED
    assert damaged.problem == "config.json is missing, damaged or from another version: start a new run."
    with pytest.raises(RunError, match=r"cannot be resumed: config\.json is missing, damaged"):
        control.resume(runs_root, demo_root, first)
    wait_until_runner_left(runs_root)
    starts = re.findall(r"(\S+) starts on cpu", QueuePaths(runs_root).runner_log.read_text())
    assert starts == [first, second, first]


def test_a_killed_runner_takes_no_worker_with_it_and_a_new_start_works(demo_root: Path, runs_root: Path) -> None:
    first = control.start(runs_root, demo_root, TINY)
    wait_for_state(runs_root, first, RunState.RUNNING)
    [runner] = processes(runs_root, "core.jobs.runner")
    runner.kill()
    wait_until_runner_left(runs_root)
    [survivor] = processes(runs_root, "core.worker")
    survivor.send_signal(signal.SIGHUP)  # as when a terminal is closed

    second = control.start(runs_root, demo_root, MISSING)
    wait_for(lambda: lock_is_held(QueuePaths(runs_root).runner_lock), 20, "a new runner")
    [new_runner] = processes(runs_root, "core.jobs.runner")
    new_runner.send_signal(signal.SIGHUP)
    wait_for(lambda: "runner up" in QueuePaths(runs_root).runner_log.read_text().split("starts on cpu")[-1])
    assert read_run(runs_root, second).state is RunState.QUEUED, "its slot is still in use"

    ended = wait_for_end(runs_root, first)
    assert ended.state is RunState.FINISHED, ended.problem
    assert ended.status.pid == survivor.pid, "the same process from beginning to end"
    assert wait_for_end(runs_root, second).state is RunState.FAILED
    wait_until_runner_left(runs_root)


def test_a_worker_that_cannot_begin_fails_its_run(runs_root: Path, demo_root: Path) -> None:
    paths = create_run(runs_root, TINY)
    paths.alive_lock.mkdir()  # what no worker can lock
    control.ensure_runner(runs_root, demo_root)
    run = wait_for_end(runs_root, paths.run_id)
    assert run.state is RunState.FAILED
    assert run.problem == "The training process could not start (exit code 1); its log says why."


def test_a_second_runner_leaves_at_once(runs_root: Path, demo_root: Path) -> None:
    with FileLock(QueuePaths(runs_root).runner_lock):
        control.ensure_runner(runs_root, demo_root)
        assert processes(runs_root, "core.jobs.runner") == []
        command = [
            sys.executable,
            "-m",
            "core.jobs.runner",
            "--runs-root",
            str(runs_root),
            "--data-root",
            str(demo_root),
        ]
        second = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_two_workers_for_one_run_train_it_once(runs_root: Path, demo_root: Path) -> None:
    """As after a runner that was killed right after it started one."""
    paths = create_run(runs_root, MISSING)
    command = [sys.executable, "-m", "core.worker", str(paths.folder), "--data-root", str(demo_root)]
    workers = [
        subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    said = [each.communicate(timeout=60)[0] for each in workers]
    assert sorted(each.returncode for each in workers) == [0, 1], said
    assert sum("is not waiting: nothing to do" in text for text in said) == 1
    assert sum("is not imported" in text for text in said) == 1


def test_a_worker_without_a_run_says_so(runs_root: Path) -> None:
    command = [sys.executable, "-m", "core.worker", str(runs_root / "gone"), "--data-root", str(runs_root)]
    result = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert "gone is not the folder of a run" in result.stderr
    assert not (runs_root / "gone").exists()


# --- the waiting line


def test_runs_wait_in_the_order_of_their_positions(runs_root: Path) -> None:
    for run_id, position in (("b", 2.0), ("c", 3.0), ("a", 1.0)):
        create_run(runs_root, TINY, run_id=run_id, queue_position=position)
    assert [run.id for run in queued_runs(runs_root)] == ["a", "b", "c"]


def test_a_folder_of_runs_that_is_gone_does_not_come_back_empty(tmp_path: Path) -> None:
    root = tmp_path / "unmounted" / "runs"
    with pytest.raises(RunError, match=f"Cannot write the queue under {root}: No such file"), queue_lock(root):
        pass
    assert not root.exists()
    with queue_lock(root, make_root=True):
        assert root.exists()


def test_a_clock_that_was_set_back_lets_nobody_jump_the_line(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = create_run(runs_root, TINY, queue_position=time.time())
    monkeypatch.setattr(queue, "time", lambda: time.time() - 3600)
    with queue_lock(runs_root):
        position = end_of_queue(runs_root)
    assert position > read_status(first).queue_position


def test_one_damaged_run_does_not_hold_up_the_line(runs_root: Path) -> None:
    create_run(runs_root, TINY, run_id="good")
    for run_id, text in (
        ("half", '{"state": "queued"'),
        ("wrong", '{"state": "queued", "created_at": 7, "epoch": []}'),
    ):
        create_run(runs_root, TINY, run_id=run_id).status.write_text(text)
    (runs_root / "empty").mkdir()
    (runs_root / "link").symlink_to(runs_root / "good")
    (runs_root / "a-file").write_text('"queued"')
    assert [run.id for run in queued_runs(runs_root)] == ["good"]


def test_a_run_that_is_taken_cannot_be_cancelled_and_one_that_is_cancelled_cannot_be_taken(runs_root: Path) -> None:
    taken, cancelled = create_run(runs_root, TINY), create_run(runs_root, TINY)
    status = take_queued(taken, {"pid": 5})
    assert status is not None
    assert (status.state, status.pid) == ("running", 5)
    assert read_status(taken) == status
    assert not queue.cancel_queued(taken)
    assert queue.cancel_queued(cancelled)
    assert take_queued(cancelled, {}) is None
    assert read_status(cancelled).state == "stopped"


def test_of_a_taker_and_a_canceller_at_the_same_moment_one_wins(runs_root: Path) -> None:
    code = (
        "import sys, pathlib; from core.jobs.queue import cancel_queued, take_queued\n"
        "from core.runs.paths import RunPaths\n"
        "paths = [RunPaths(pathlib.Path(sys.argv[1]), f'run-{number}') for number in range(20)]\n"
        "sys.stdin.readline()\n"
        "act = cancel_waiting if sys.argv[2] == 'cancel' else lambda each: take_waiting(each, {}) is not None\n"
        "print(*[int(act(each)) for each in paths])\n"
    )
    paths = [create_run(runs_root, TINY, run_id=f"run-{number}") for number in range(20)]
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(runs_root), role],
            cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for role in ("cancel", "take")
    ]
    for rival in rivals:
        assert rival.stdin is not None
        rival.stdin.write("go\n")
        rival.stdin.flush()
    cancelled, taken = ([int(word) for word in rival.communicate(timeout=60)[0].split()] for rival in rivals)
    assert [one + other for one, other in zip(cancelled, taken, strict=True)] == [1] * 20
    assert [read_status(each).state for each in paths] == ["stopped" if one else "running" for one in cancelled]


def test_a_worker_that_is_gone_fails_only_the_wait_it_was_started_for(runs_root: Path) -> None:
    paths = create_run(runs_root, TINY)
    status = read_status(paths)
    assert status.queued_at is not None
    with queue_lock(runs_root):
        fail_queued(paths, status.queued_at - timedelta(seconds=1), "Of an earlier wait.")
        assert read_status(paths).state == "queued"
        fail_queued(paths, status.queued_at, "No process.")
    assert (read_status(paths).state, read_status(paths).error) == ("failed", "No process.")


@pytest.mark.parametrize("state", ["queued", "finished"])
def test_only_a_run_that_ended_early_can_be_resumed(runs_root: Path, demo_root: Path, state: str) -> None:
    paths = create_run(runs_root, TINY)
    write_status(paths, read_status(paths).model_copy(update={"state": state}))
    with pytest.raises(RunError, match=f"is {state}: only a stopped, failed or crashed run can be resumed"):
        control.resume(runs_root, demo_root, paths.run_id)


def test_a_resumed_run_forgets_how_it_ended_and_goes_to_the_end_of_the_line(runs_root: Path) -> None:
    failed = create_run(runs_root, TINY)
    write_status(
        failed, read_status(failed).model_copy(update={"state": "failed", "error": "x", "elapsed_seconds": 9.0})
    )
    failed.stop_request.touch()
    other = create_run(runs_root, TINY)
    requeue(failed)
    run = read_run(runs_root, failed.run_id)
    assert (run.state, run.problem, run.status.ended_at) == (RunState.QUEUED, None, None)
    assert run.status.elapsed_seconds == 9.0
    assert not failed.stop_request.exists()
    assert [each.id for each in queued_runs(runs_root)] == [other.run_id, failed.run_id]


def test_a_run_remembers_its_data_while_it_waits(
    runs_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "spawn_module", lambda *_: subprocess.Popen(["true"]))
    paths = RunPaths(runs_root, control.start(runs_root, tmp_path / "own", TINY))
    assert read_status(paths).data_root == str(tmp_path / "own")
    commands = []
    monkeypatch.setattr("core.jobs.runner.spawn_module", lambda command, *_: commands.append(command))
    Runner(runs_root, tmp_path / "default", (Slot("cpu", "CPU", ""),))._serve()
    assert commands == [
        ["core.worker", str(paths.folder), "--data-root", str(tmp_path / "own"), "--slot", "cpu"],
    ]
    status = take_queued(paths, {})
    assert status is not None
    assert status.data_root is None


@pytest.mark.parametrize("act", [control.stop, lambda root, run_id: control.resume(root, root, run_id)])
@pytest.mark.parametrize("run_id", ["gone", "../x", ""])
def test_what_is_no_run_can_be_neither_stopped_nor_resumed(
    runs_root: Path, act: Callable[..., None], run_id: str
) -> None:
    with pytest.raises(RunError):
        act(runs_root, run_id)
    assert list(runs_root.iterdir()) == []


def test_a_start_where_nothing_can_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="Cannot write the queue under"):
        control.start(tmp_path / "file" / "runs", tmp_path, TINY)


# --- the runner, without processes


class FakeWorkers:
    """Stands in for `spawn_module`: workers that end when told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started: list[tuple[str, str]] = []
        self.codes: dict[str, int] = {}
        monkeypatch.setattr("core.jobs.runner.spawn_module", self.spawn)

    def spawn(self, arguments: list[str], log: Path, environment: dict[str, str]) -> Any:
        run_id, slot = Path(arguments[1]).name, arguments[-1]
        self.started.append((run_id, slot))
        workers = self

        class Process:
            returncode: int | None = None

            def poll(self) -> int | None:
                self.returncode = workers.codes.get(run_id)
                return self.returncode

        return Process()


GPUS = (Slot("gpu-0", "A", "GPU-a"), Slot("gpu-1", "B", "GPU-b"))


def test_every_slot_gets_one_run_and_the_next_follows_when_one_ends(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = FakeWorkers(monkeypatch)
    for number in range(4):
        create_run(runs_root, TINY, run_id=f"run-{number}", queue_position=number)
    runner = Runner(runs_root, runs_root, GPUS)
    assert runner._serve()
    assert runner._serve()
    assert workers.started == [("run-0", "gpu-0"), ("run-1", "gpu-1")]
    take_queued(RunPaths(runs_root, "run-1"), {})
    workers.codes["run-1"] = 0
    assert runner._serve()
    assert workers.started[2:] == [("run-2", "gpu-1")]


def test_a_slot_in_use_by_a_worker_of_a_dead_runner_is_left_alone(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = FakeWorkers(monkeypatch)
    for number in range(2):
        create_run(runs_root, TINY, run_id=f"run-{number}", queue_position=number)
    with FileLock(QueuePaths(runs_root).slot_lock("gpu-0")):
        runner = Runner(runs_root, runs_root, GPUS)
        assert runner._serve()
        assert workers.started == [("run-0", "gpu-1")]
    assert runner._serve()
    assert workers.started[1:] == [("run-1", "gpu-0")]


def test_a_worker_that_could_not_begin_is_told_from_one_that_should_try_again(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = FakeWorkers(monkeypatch)
    create_run(runs_root, TINY, run_id="busy", queue_position=1)
    create_run(runs_root, TINY, run_id="broken", queue_position=2)
    runner = Runner(runs_root, runs_root, GPUS)
    runner._serve()
    workers.codes = {"busy": os.EX_TEMPFAIL, "broken": 1}
    runner._serve()
    assert read_run(runs_root, "busy").state is RunState.QUEUED
    assert read_run(runs_root, "broken").state is RunState.FAILED
    assert workers.started[2:] == [("busy", "gpu-0")]


def test_a_process_that_cannot_be_started_fails_its_run_and_not_the_runner(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_run(runs_root, TINY, run_id="a-run")

    def no_room(*_: Any) -> Any:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("core.jobs.runner.spawn_module", no_room)
    runner = Runner(runs_root, runs_root, GPUS)
    runner._serve()
    assert read_run(runs_root, "a-run").problem == "No process could be started: Resource temporarily unavailable."
    assert not runner._serve(), "nothing to stay for"


def test_a_run_that_is_deleted_or_damaged_under_its_worker_is_no_trouble(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = FakeWorkers(monkeypatch)
    for run_id in ("gone", "damaged"):
        create_run(runs_root, TINY, run_id=run_id)
    runner = Runner(runs_root, runs_root, GPUS)
    runner._serve()
    (runs_root / "gone").rename(runs_root / ".gone")
    (runs_root / "damaged" / "status.json").write_text("{")
    workers.codes = {"gone": 1, "damaged": -9}
    assert not runner._serve()


def test_the_runners_log_does_not_grow_for_ever(runs_root: Path) -> None:
    log = QueuePaths(runs_root).runner_log
    log.parent.mkdir()
    log.write_bytes(b"x" * (LOG_BYTES + 1))
    runner = Runner(runs_root, runs_root, GPUS)
    runner._tidy()
    assert log.stat().st_size == 0
    log.write_bytes(b"x" * 100)
    runner._tidy()
    assert log.stat().st_size == 100


# --- slots


def fake_nvidia_smi(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


TWO_GPUS = "echo 'GPU 0: NVIDIA A (UUID: GPU-aaaa)'; echo 'GPU 1: NVIDIA B (UUID: GPU-bbbb)'"
SLICES = """cat <<END
GPU 0: NVIDIA A (UUID: GPU-aaaa)
  MIG 3g.20gb     Device  0: (UUID: MIG-a0)
  MIG 1c.3g.20gb  Device  1: (UUID: MIG-a1)
GPU 1: NVIDIA B (UUID: GPU-bbbb)
END"""


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ["gpu-0", "gpu-1"]),
        ("1", ["gpu-1"]),
        ("GPU-aa", ["gpu-0"]),
        ("1,0", ["gpu-0", "gpu-1"]),
        ("", []),
        ("-1", []),
        ("7", []),
    ],
)
def test_there_is_a_slot_for_each_gpu_that_may_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, visible: str | None, expected: list[str]
) -> None:
    fake_nvidia_smi(monkeypatch, tmp_path, TWO_GPUS)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [slot.name for slot in _gpu_slots()] == expected


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, {"gpu-0-mig-0": "MIG-a0", "gpu-0-mig-1": "MIG-a1", "gpu-1": "GPU-bbbb"}),
        ("0", {"gpu-0-mig-0": "MIG-a0", "gpu-0-mig-1": "MIG-a1"}),
        ("MIG-a1", {"gpu-0-mig-1": "MIG-a1"}),
        ("MIG-a1,MIG-a1,GPU-b", {"gpu-0-mig-1": "MIG-a1", "gpu-1": "GPU-bbbb"}),
        ("MIG-GPU-aaaa/2/0", {"gpu-0-mig-2-0": "MIG-GPU-aaaa/2/0"}),
        ("MIG-GPU-aaaa/../x,MIG-gone", {}),
    ],
)
def test_each_slice_of_a_gpu_is_a_slot_and_the_worker_gets_its_uuid(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    visible: str | None,
    expected: dict[str, str],
) -> None:
    fake_nvidia_smi(monkeypatch, tmp_path, SLICES)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    slots = _gpu_slots()
    assert {slot.name: slot.cuda_visible_devices for slot in slots} == expected
    assert ("no such GPU: runs train on the CPU" in caplog.text) == (not expected)
    assert not slots or slots[0].title.startswith("NVIDIA A, slice ")


@pytest.mark.parametrize("script", ["exit 9", "echo 'No devices were found'", "echo; echo GPU 0:", "true"])
def test_without_a_usable_gpu_there_is_one_slot_for_the_cpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str
) -> None:
    fake_nvidia_smi(monkeypatch, tmp_path, script)
    list_slots.cache_clear()
    try:
        [slot] = list_slots()
    finally:
        list_slots.cache_clear()
    assert slot.name == "cpu"
    assert slot.cuda_visible_devices == ""
    assert f"{available_cores()} core" in slot.title


@pytest.mark.parametrize(("setting", "names"), [("", ["cpu"]), ("1", ["cpu"]), ("3", ["cpu-0", "cpu-1", "cpu-2"])])
def test_the_cpu_can_be_shared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str, names: list[str]) -> None:
    fake_nvidia_smi(monkeypatch, tmp_path, "exit 9")
    monkeypatch.setenv("FER_CPU_SLOTS", setting)
    for module in ("core.jobs.slots", "core.config"):
        monkeypatch.setattr(f"{module}.available_cores", lambda: 8)
    slots = list_slots.__wrapped__()
    assert [slot.name for slot in slots] == names
    assert {("2 of 8 cores" if len(names) == 3 else "CPU, 8 cores") in slot.title for slot in slots} == {True}


@pytest.mark.parametrize("setting", ["0", "65", "-1", "two", "1.5"])
def test_a_senseless_number_of_slots_is_told_to_who_starts(
    monkeypatch: pytest.MonkeyPatch, runs_root: Path, setting: str
) -> None:
    monkeypatch.setenv("FER_CPU_SLOTS", setting)
    with pytest.raises(ConfigError, match="must be a number from 1 to 64"):
        control.start(runs_root, runs_root, TINY)


def test_runs_that_share_the_cpu_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.machine.available_cores", lambda: 3)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    for slots, threads in (("1", 3), ("2", 1), ("8", 1)):
        monkeypatch.setenv("FER_CPU_SLOTS", slots)
        assert choose_compute(TINY.model_copy(update={"threads": 0})).threads == threads
        assert choose_compute(TINY.model_copy(update={"threads": 2})).threads == 2


# --- how a worker tells what went wrong


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DataError("It is\n  damaged."), "It is damaged."),
        (
            OSError(28, "No space left on device"),
            "The disk is full: free some space, then resume the run from its last checkpoint.",
        ),
        (
            OSError(13, "Permission denied"),
            "The system refused a file operation: Permission denied; the last checkpoint is kept.",
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "Memory ran out: try a smaller batch size."),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "Memory ran out: try a smaller batch size."),
        (MemoryError(), "Memory ran out: try a smaller batch size."),
        (KeyError("x"), "KeyError: 'x' (the log has the details)."),
        (ValueError(), "ValueError: ValueError (the log has the details)."),
    ],
)
def test_every_failure_is_one_line_for_people(error: Exception, line: str) -> None:
    assert worker.explain(error) == line


def test_out_of_memory_says_which_batch_size_to_try() -> None:
    assert worker.explain(MemoryError(), TINY) == "Memory ran out: try a batch size of 8."


def test_the_last_word_is_written_on_a_full_disk_too(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = create_run(runs_root, TINY)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(worker, "write_status", full)
    final = read_status(paths).model_copy(update={"state": "failed", "activity": "", "error": "The disk is full."})
    worker._write_end(paths, final)
    assert read_status(paths) == final


def test_a_damaged_environment_file_does_not_end_a_training(runs_root: Path) -> None:
    paths = create_run(runs_root, TINY)
    for damaged in ("{", "[1]", '{"resumes": 1}'):
        paths.environment.write_text(damaged)
        worker.record_environment(paths, {"python": "3.11"})
        assert json.loads(paths.environment.read_text()) == {"python": "3.11"}
    worker.record_environment(paths, {"python": "3.12", "host": "a"})
    assert json.loads(paths.environment.read_text()) == {"python": "3.11", "resumes": [{"python": "3.12", "host": "a"}]}


def test_the_list_of_runs_stays_readable_while_runs_are_made(runs_root: Path) -> None:
    code = (
        "import sys, pathlib; from core.config import TrainConfig; from core.runs.create import create_run\n"
        "for number in range(40): create_run(pathlib.Path(sys.argv[1]), TrainConfig())\n"
    )
    makers = [subprocess.Popen([sys.executable, "-c", code, str(runs_root)], cwd=PROJECT_ROOT) for _ in range(2)]
    while any(each.poll() is None for each in makers):
        assert all(run.state is RunState.QUEUED and run.problem is None for run in list_runs(runs_root))
    assert [each.returncode for each in makers] == [0, 0]
    assert len(list_runs(runs_root)) == 80
