"""The runner: real ones with real workers, killed and doubled, and one without processes."""

import errno
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from core.errors import RunError
from core.files import lock_is_held
from core.jobs import control, queue
from core.jobs.queue import requeue, take_queued
from core.jobs.runner import LOG_BYTES, Runner, main
from core.jobs.slots import Slot
from core.machine import boot_id
from core.runs.create import create_run, write_status
from core.runs.liveness import DIED
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import read_run, read_status
from core.runs.records import RunState
from tests.conftest import PROJECT_ROOT, wait_for
from tests.core.conftest import ENDLESS, MISSING, TINY, processes, wait_for_end, wait_for_state, wait_until_runner_left


def test_the_runner_leaves_when_nothing_waits(two_runs: tuple[Path, list[str], str]) -> None:
    wait_until_runner_left(two_runs[0])
    log = QueuePaths(two_runs[0]).runner_log
    wait_for(lambda: "runner leaves" in log.read_text(), 20, "its last word")  # after it has let go of its lock


def test_a_killed_worker_has_crashed_and_the_next_run_starts(demo_root: Path, runs_root: Path) -> None:
    first = control.start(runs_root, demo_root, ENDLESS)
    second = control.start(runs_root, demo_root, MISSING)
    wait_for_state(runs_root, first, RunState.RUNNING)
    [victim] = [each for each in processes(runs_root, "core.worker") if str(runs_root / first) in each.cmdline()]
    assert victim.pid == read_status(RunPaths(runs_root, first)).pid
    victim.kill()
    wait_for_state(runs_root, first, RunState.CRASHED, 10)

    # The dataset of the next one is not there: it ends with a sentence that says what to do.
    failed = wait_for_end(runs_root, second)
    assert failed.state is RunState.FAILED
    assert failed.problem == (
        "Dataset 'not-imported' is not imported. Run `python -m core data import PATH` or use the Data page."
    )
    assert "Traceback" in failed.paths.log.read_text()

    # A corrupt settings file ends as failed, too, and is not tried again and again.
    third = RunPaths(runs_root, first)
    third.config.write_text('{"epochs": 2, "lear')
    requeue(third)
    control.ensure_runner(runs_root, demo_root)
    damaged = wait_for_end(runs_root, first)
    assert damaged.state is RunState.FAILED
    assert damaged.problem == (
        f"Can't read config.json of run '{first}': file is corrupt; restore it from a backup, or start a new run."
    )
    with pytest.raises(RunError, match=rf"Can't resume run {first}: .*file is corrupt; restore it from a backup"):
        control.resume(runs_root, demo_root, first)
    wait_until_runner_left(runs_root)
    starts = re.findall(r"(\S+) starts on cpu", QueuePaths(runs_root).runner_log.read_text())
    assert starts == [first, second, first]


def test_a_killed_runner_takes_no_worker_with_it_and_a_new_start_works(demo_root: Path, runs_root: Path) -> None:
    first = control.start(runs_root, demo_root, ENDLESS)
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

    control.stop(runs_root, first)
    ended = wait_for_end(runs_root, first)
    assert ended.state is RunState.STOPPED, ended.problem
    assert ended.status.pid == survivor.pid, "the same process from beginning to end"
    assert wait_for_end(runs_root, second).state is RunState.FAILED
    wait_until_runner_left(runs_root)


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


PID = 2**31 - 1
"""Of a worker that is none: no process has it."""


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
            pid = PID
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


def test_a_runner_that_is_told_to_leave_starts_nothing_more(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a restart of the machine its worker has got the same signal, and its slot may be free already."""
    workers = FakeWorkers(monkeypatch)
    for number in range(2):
        create_run(runs_root, TINY, run_id=f"run-{number}", queue_position=number)
    runner = Runner(runs_root, runs_root, (Slot("cpu", "CPU", ""),))
    runner._serve()
    take_queued(RunPaths(runs_root, "run-0"), {})
    workers.codes["run-0"] = os.EX_TEMPFAIL
    runner._leave(signal.SIGTERM, None)
    runner._serve()
    assert workers.started == [("run-0", "cpu")]


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
    assert read_run(runs_root, "a-run").problem == "Can't start the training process: Resource temporarily unavailable."
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


def test_a_run_that_can_be_neither_started_nor_failed_is_passed_over_and_named(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a colleague's folder, or one on a read-only mount."""
    workers = FakeWorkers(monkeypatch)
    for position, run_id in enumerate(("read-only", "next")):
        create_run(runs_root, TINY, run_id=run_id, queue_position=position)

    def start(arguments: list[str], log: Path, environment: dict[str, str]) -> Any:
        if log.parent.name == "read-only":
            raise PermissionError(13, "Permission denied")
        return workers.spawn(arguments, log, environment)

    write = queue.write_status

    def write_status(paths: RunPaths, status: Any) -> None:
        if paths.run_id == "read-only":
            raise PermissionError(13, "Permission denied")
        write(paths, status)

    monkeypatch.setattr("core.jobs.runner.spawn_module", start)
    monkeypatch.setattr(queue, "write_status", write_status)
    runner = Runner(runs_root, runs_root, GPUS[:1])
    for _ in range(2):
        assert runner._serve()
    assert workers.started == [("next", "gpu-0")]
    assert queue.stuck_runs(runs_root) == {
        "read-only": "Can't start the training process: Permission denied. Its folder can't be written: Permission "
        "denied."
    }
    Runner(runs_root, runs_root, GPUS)._tidy()
    assert queue.stuck_runs(runs_root) == {}, "the next runner tries it again"


def test_a_run_that_somebody_else_holds_does_not_keep_those_behind_it_waiting(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = FakeWorkers(monkeypatch)
    for position, run_id in enumerate(("held", "next")):
        create_run(runs_root, TINY, run_id=run_id, queue_position=position)
    runner = Runner(runs_root, runs_root, GPUS[:1])
    runner._serve()
    workers.codes = {"held": os.EX_TEMPFAIL}
    runner._serve()
    assert workers.started == [("held", "gpu-0"), ("next", "gpu-0")]


@pytest.mark.parametrize("data_root", ["a\0b", 5, ["x"], {}])
def test_no_value_in_a_status_file_ends_the_runner(
    data_root: Any, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = FakeWorkers(monkeypatch)
    create_run(runs_root, TINY, run_id="next", queue_position=2)
    paths = create_run(runs_root, TINY, run_id="odd", queue_position=1)
    status = json.loads(paths.status.read_text())
    paths.status.write_text(json.dumps({**status, "data_root": data_root}))
    assert Runner(runs_root, runs_root, GPUS[:1])._serve()
    assert workers.started == [("next", "gpu-0")]
    assert "can't use its entry 'data_root'" in str(read_run(runs_root, "odd").problem)


def test_what_a_process_cannot_be_given_fails_its_run(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_run(runs_root, TINY, run_id="odd")

    def refuse(*_: Any) -> Any:
        raise ValueError("embedded null byte")

    monkeypatch.setattr("core.jobs.runner.spawn_module", refuse)
    Runner(runs_root, runs_root, GPUS)._serve()
    assert read_run(runs_root, "odd").problem == "Can't start the training process: embedded null byte."


def test_a_frozen_runner_is_replaced(runs_root: Path, demo_root: Path) -> None:
    lock = QueuePaths(runs_root).runner_lock
    lock.parent.mkdir()
    command = [sys.executable, "-m", "core.jobs.runner", "--runs-root", str(runs_root), "--data-root", str(demo_root)]
    frozen = subprocess.Popen([*command, "--stay"], cwd=PROJECT_ROOT, stderr=subprocess.DEVNULL)
    wait_for(lambda: lock_is_held(lock) and control.has_runner(runs_root), what="the runner being up")
    frozen.send_signal(signal.SIGSTOP)
    paths = create_run(runs_root, MISSING)
    os.utime(lock, (0, 0))  # as after minutes
    assert not control.has_runner(runs_root)
    control.serve_queue(runs_root, demo_root)
    frozen.wait(20)
    assert "is not imported" in str(wait_for_end(runs_root, paths.run_id).problem)


def test_where_the_file_system_has_no_locks_the_runner_says_so(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def flock(handle: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    roots = ["--runs-root", str(runs_root), "--data-root", str(runs_root)]
    monkeypatch.setattr(sys, "argv", ["runner", *roots])
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", flock)
        with pytest.raises(SystemExit) as left:
            main()
    assert left.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith(
        f"Can't use the runs folder {runs_root}: its file system has no file locks (flock); set FER_"
    )
    monkeypatch.setattr("core.runs.locks.local_lock_option", lambda _: "nolock")
    with pytest.raises(SystemExit):
        main()
    assert "mounted with the option `nolock`" in capsys.readouterr().err


# --- machines that share a runs root


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs root is one that other machines may have open; this one is `node-1`."""
    monkeypatch.setattr("core.machine.is_local", lambda _: False)
    monkeypatch.setattr("core.machine.host_name", lambda: "node-1")


def test_each_machine_has_files_of_its_own(runs_root: Path, shared: None, monkeypatch: pytest.MonkeyPatch) -> None:
    first = QueuePaths(runs_root)
    own = [first.runner_lock, first.gpus, first.stuck, first.runner_log, first.slot_lock("gpu-0")]
    names = "runner-node-1.lock gpus-node-1.json stuck-node-1.json runner-node-1.log slot-gpu-0-node-1.lock"
    assert [path.name for path in own] == names.split()
    assert first.runner_lock_of("node-1") == first.runner_lock
    monkeypatch.setattr("core.machine.host_name", lambda: "../node 2/ä.example.org")
    assert QueuePaths(runs_root).runner_lock.name == "runner-.._node_2_.example.org.lock"
    assert QueuePaths(runs_root).runner_lock.parent == first.folder
    assert (QueuePaths(runs_root).lock, QueuePaths(runs_root).notify_lock) == (first.lock, first.notify_lock)


def test_a_runner_of_another_machine_or_an_older_version_is_not_this_machines(runs_root: Path, shared: None) -> None:
    queue = QueuePaths(runs_root)
    queue.folder.mkdir()
    with FileLock(queue.folder / "runner.lock"), FileLock(queue.runner_lock_of("node-2")):
        assert not control.has_runner(runs_root)
        with FileLock(queue.runner_lock):
            assert control.has_runner(runs_root)


def test_a_run_that_another_machine_is_starting_is_left_to_it_while_its_runner_lives(
    runs_root: Path, shared: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = FakeWorkers(monkeypatch)
    for position, run_id in enumerate(("theirs", "next")):
        create_run(runs_root, TINY, run_id=run_id, queue_position=position)
    QueuePaths(runs_root).folder.mkdir(exist_ok=True)
    theirs = RunPaths(runs_root, "theirs")
    queue.claim_queued(theirs, "node-2")
    lock = QueuePaths(runs_root).runner_lock_of("node-2")
    with FileLock(lock):
        Runner(runs_root, runs_root, GPUS)._serve()
        assert workers.started == [("next", "gpu-0")]
        assert read_status(RunPaths(runs_root, "next")).claimed_by == "node-1"
        os.utime(lock, (0, 0))  # it hangs
        Runner(runs_root, runs_root, GPUS[1:])._serve()
        assert workers.started[1:] == [("theirs", "gpu-1")]
        assert read_status(theirs).claimed_by == "node-1"
    taken = take_queued(theirs, {})
    assert taken and taken.claimed_by is None


@pytest.mark.parametrize("claim", ["../../../etc/x", "a" * 5000, " ", "node-1"])
def test_no_claim_keeps_a_run_from_its_runner(
    claim: str, runs_root: Path, shared: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = FakeWorkers(monkeypatch)
    paths = create_run(runs_root, TINY, run_id="run")
    paths.status.write_text(json.dumps({**json.loads(paths.status.read_text()), "claimed_by": claim}))
    Runner(runs_root, runs_root, GPUS[:1])._serve()
    assert workers.started == [("run", "gpu-0")]


def test_a_run_that_could_not_be_started_here_may_be_by_another_machine(
    runs_root: Path, shared: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = FakeWorkers(monkeypatch)
    paths = create_run(runs_root, TINY, run_id="busy")
    runner = Runner(runs_root, runs_root, GPUS[:1])
    runner._serve()
    assert read_status(paths).claimed_by == "node-1"
    workers.codes["busy"] = os.EX_TEMPFAIL
    runner.slots = ()  # so that it is not started again at once
    runner._serve()
    assert read_status(paths).claimed_by is None


def test_what_a_runner_sees_die_is_written_down_for_other_machines(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = FakeWorkers(monkeypatch)
    paths = create_run(runs_root, TINY, run_id="run")
    runner = Runner(runs_root, runs_root, GPUS[:1])
    runner._serve()
    taken = take_queued(paths, {"pid": PID, "host": "node-1", "boot_id": boot_id()})
    assert taken
    workers.codes["run"] = -9
    runner._serve()
    died = read_status(paths)
    assert died.state == "running" and died.ended_at and died.error == DIED
    monkeypatch.setattr("core.runs.liveness.boot_id", lambda: "of another machine")
    monkeypatch.setattr("core.runs.liveness.is_local", lambda _: False)
    assert read_run(runs_root, "run").state is RunState.CRASHED


@pytest.mark.parametrize(
    "other",
    [{"pid": PID - 1}, {"boot_id": "of another machine"}, {"state": "finished"}],
    ids=["process", "boot", "end"],
)
def test_only_of_its_own_process_a_runner_says_that_it_died(
    other: dict[str, Any], runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine's worker may have been quicker to take the run."""
    workers = FakeWorkers(monkeypatch)
    paths = create_run(runs_root, TINY, run_id="run")
    runner = Runner(runs_root, runs_root, GPUS[:1])
    runner._serve()
    taken = take_queued(paths, {"pid": PID, "boot_id": boot_id()})
    assert taken
    write_status(paths, taken.model_copy(update=other))
    before = read_status(paths)
    workers.codes["run"] = 1
    runner._serve()
    assert read_status(paths) == before


def test_a_runner_writes_down_who_died_while_there_was_none(runs_root: Path, shared: None) -> None:
    """As in a power cut, or when both were killed; only of its own machine."""
    queue_folder = QueuePaths(runs_root).folder
    runs = {name: create_run(runs_root, TINY, run_id=name) for name in ("ours", "alive", "theirs", "engines", "ended")}
    for name, paths in runs.items():
        boot = "of another machine" if name == "theirs" else boot_id()
        status = read_status(paths).model_copy(update={"state": "running", "boot_id": boot, "host": "x"})
        if name == "engines":
            status = status.model_copy(update={"launcher": "slurm"})
        if name == "ended":
            status = status.model_copy(update={"state": "failed"})
        write_status(paths, status)
        os.utime(paths.status, (1e9, 1e9))
    assert queue_folder.exists()
    with pytest.MonkeyPatch.context() as patch, FileLock(runs["alive"].alive_lock):
        patch.setattr("core.runs.liveness.is_local", lambda _: False)
        Runner(runs_root, runs_root, GPUS)._tidy()
    noted = {name: read_status(paths).ended_at for name, paths in runs.items()}
    assert noted == {
        "ours": datetime.fromtimestamp(1e9, UTC), "alive": None, "theirs": None, "engines": None, "ended": None
    }  # fmt: skip
