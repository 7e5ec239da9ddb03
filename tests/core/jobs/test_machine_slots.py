"""Slots of the machine: whatever the runs root, one run at a time on each."""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from core.config import TrainConfig
from core.jobs import machine_slots, slots
from core.jobs.control import spawn_module
from core.jobs.machine_slots import hold_slot, locks_folder, slot_in_use, slot_lock, waits_for_others
from core.runs.create import create_run
from core.runs.paths import QueuePaths
from core.runs.reader import read_run
from core.runs.records import RunState
from tests.conftest import PROJECT_ROOT, kill_processes_of, wait_for
from tests.faults.test_kill_storm import TINY_WORKER

HOLD = (
    "from core.jobs.machine_slots import hold_slot\n"
    "with hold_slot('cpu', 0):\n    print('held', flush=True)\n    input()"
)
NOBODY = 65534


@pytest.fixture
def two_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Path]]:
    """Two folders with a waiting run each, on a machine with one slot, the CPU."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    slots.gpu_slots.cache_clear()
    first, second = tmp_path / "first", tmp_path / "second"
    for root in (first, second):
        create_run(root, TrainConfig(), run_id="run")
    yield first, second
    kill_processes_of(tmp_path)
    slots.gpu_slots.cache_clear()


def start_runner(root: Path, steps: int) -> "subprocess.Popen[bytes]":
    """A real runner whose worker writes so many steps, 50 a second."""
    roots = ["--runs-root", str(root), "--data-root", str(root)]
    tiny = {"FER_TINY_STEPS": str(steps)}
    return spawn_module(["core.jobs.runner", *roots, "--worker", TINY_WORKER], QueuePaths(root).runner_log, tiny)


def state(root: Path) -> RunState:
    return read_run(root, "run").state


def test_of_two_runs_roots_one_trains_and_the_other_waits(two_roots: tuple[Path, Path]) -> None:
    first, second = two_roots
    runners = [start_runner(first, 10_000)]
    wait_for(lambda: state(first) is RunState.RUNNING, 60, "the first run's start")
    assert not waits_for_others(first)
    runners.append(start_runner(second, 5))
    log = QueuePaths(second).runner_log
    wait_for(lambda: "cpu is in use by a run of another runs root" in log.read_text(), 60, "the second runner's look")
    assert (state(first), state(second)) == (RunState.RUNNING, RunState.QUEUED)
    assert waits_for_others(second)

    read_run(first, "run").paths.stop_request.touch()
    wait_for(lambda: state(second) is RunState.FINISHED, 60, "the second run's end")
    one, other = (read_run(root, "run").status for root in two_roots)
    assert one.ended_at and other.started_at and other.started_at >= one.ended_at
    wait_for(lambda: not waits_for_others(second), 20, "that the slot is free")  # let go of last
    for runner in runners:
        assert runner.wait(30) == 0


def test_a_worker_waits_for_its_slot_also_when_two_runners_looked_at_once(
    two_roots: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each runner saw a free slot: the workers themselves must not both train."""
    first, _ = two_roots
    command = [sys.executable, "-m", TINY_WORKER, str(first / "run"), "--data-root", str(first)]
    with hold_slot("cpu", 0):
        worker = subprocess.Popen(command, cwd=PROJECT_ROOT)
        wait_for(lambda: has_open(worker.pid, slot_lock("cpu")), 30, "the worker's asking for the slot")
        assert state(first) is RunState.QUEUED
    assert worker.wait(30) == 0
    assert state(first) is RunState.FINISHED


def has_open(pid: int, path: Path) -> bool:
    """Whether a process has a file open."""
    try:
        return any(link.resolve() == path for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def test_a_slot_is_free_again_when_its_holder_is_killed(machine_locks: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout and holder.stdout.readline() == b"held\n"
    assert slot_in_use("cpu")
    with pytest.raises(Timeout), hold_slot("cpu", 0):
        pass
    holder.kill()
    holder.wait()
    assert not slot_in_use("cpu")
    with hold_slot("cpu", 0):
        assert slot_in_use("cpu")
    assert not slot_in_use("cpu")


def test_the_whole_cpu_and_its_first_part_are_one_place(machine_locks: Path) -> None:
    with hold_slot("cpu", 0):
        assert slot_in_use("cpu-0")
        assert not slot_in_use("cpu-1") and not slot_in_use("gpu-0")


def test_a_lock_file_is_empty_and_open_to_every_user(machine_locks: Path) -> None:
    old = os.umask(0o077)
    try:
        with hold_slot("gpu-0", 0):
            [file] = machine_locks.iterdir()
    finally:
        os.umask(old)
    assert stat.S_IMODE(file.stat().st_mode) == 0o444
    assert file.read_bytes() == b""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_another_user_meets_the_same_lock(machine_locks: Path) -> None:
    for folder in (machine_locks, *machine_locks.parents):
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    machine_locks.chmod(0o1777)
    with hold_slot("cpu", 0):
        child = os.fork()
        if not child:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with hold_slot("cpu-1", 0):
                os._exit(10 * slot_in_use("cpu") + slot_in_use("cpu-1"))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 11
    with hold_slot("cpu-1", 0):  # whose file belongs to the other
        assert slot_in_use("cpu-1")


def test_what_somebody_has_planted_is_not_followed_and_hinders_nobody(
    machine_locks: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    precious = tmp_path / "precious"
    slot_lock("gpu-0").symlink_to(precious)  # whoever follows it would make this file
    os.mkfifo(slot_lock("gpu-1"))
    slot_lock("gpu-2").mkdir()
    begun = time.monotonic()
    for slot in ("gpu-0", "gpu-1", "gpu-2"):
        with hold_slot(slot, 5):
            assert not slot_in_use(slot) or slot == "gpu-1"
        assert f"fer-dashboard-{slot}.lock can't be locked" in caplog.text
    assert time.monotonic() - begun < 5
    assert not precious.exists()


def test_without_a_folder_for_locks_runs_train_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FER_MACHINE_LOCKS", str(tmp_path / "missing"))
    with hold_slot("cpu", 0):
        assert not slot_in_use("cpu")
    assert "runs of other runs roots may use the same slot" in caplog.text


def test_a_lock_file_that_was_removed_while_it_was_held_is_taken_anew(
    machine_locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening and locking: the lock would be on a file that nobody else can find."""
    really, removed = machine_slots.fcntl.flock, []

    def remove_first(handle: int, how: int) -> None:
        if not removed:
            removed.append(slot_lock("cpu").unlink())
        really(handle, how)

    monkeypatch.setattr(machine_slots.fcntl, "flock", remove_first)
    with hold_slot("cpu", 1):
        assert slot_in_use("cpu")


def test_locks_are_where_every_user_of_the_machine_looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FER_MACHINE_LOCKS")
    shared, private = tmp_path / "shared", tmp_path / "private"
    for folder, mode in ((shared, 0o1777), (private, 0o777)):  # in the second anybody could remove a lock
        folder.mkdir()
        folder.chmod(mode)
    monkeypatch.setattr(machine_slots, "SHARED_FOLDERS", (tmp_path / "missing", private, shared))
    assert locks_folder() == shared


def test_a_run_behind_ones_own_waits_for_nobody_else(two_roots: tuple[Path, Path]) -> None:
    first, _ = two_roots
    with FileLock(QueuePaths(first).slot_lock("cpu")), hold_slot("cpu", 0):
        assert not waits_for_others(first)
