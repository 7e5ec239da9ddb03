"""Starting, stopping, resuming and trying again real runs, on a tiny drawn set, and what a restart interrupted."""

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.errors import RunError
from core.jobs import control, queue, recovery
from core.machine import boot_id
from core.runs import liveness, locks
from core.runs.create import create_run, write_status
from core.runs.history import read_rows
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import list_runs, read_run, read_status
from core.runs.records import RunState, RunStatus
from tests.core.conftest import TINY, wait_for_end, wait_for_state, wait_until_training
from tests.core.jobs.conftest import crash, line, lose


def test_a_start_is_quick_and_imports_no_torch(two_runs: tuple[Path, list[str], str]) -> None:
    _, seconds, torch_was_imported = json.loads(two_runs[2])
    assert seconds < 10, "for both, on a disk that is busy"
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


def test_a_run_is_stopped_within_30_seconds_and_resumed_to_its_end(demo_root: Path, runs_root: Path) -> None:
    config = TINY.model_copy(update={"epochs": 12, "images_per_epoch": 160})  # 10 steps each
    running = control.start(runs_root, demo_root, config)
    waiting = control.start(runs_root, demo_root, config)
    paths = RunPaths(runs_root, running)
    wait_for_state(runs_root, running, RunState.RUNNING)
    control.stop(runs_root, waiting)
    assert read_run(runs_root, waiting).state is RunState.STOPPED, "at once: nobody has begun it"
    assert read_run(runs_root, running).state is RunState.RUNNING

    wait_until_training(paths)
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
    assert 0 < done < 120
    control.resume(runs_root, demo_root, running)
    finished = wait_for_end(runs_root, running)
    assert finished.state is RunState.FINISHED, finished.problem
    assert [row["step"] for row in read_rows(paths.steps)[0]] == list(range(1, 121)), "no gap and no double"
    assert [row["epoch"] for row in read_rows(paths.epochs)[0]] == list(range(1, 13))
    with pytest.raises(RunError, match=r"is finished\. Only stopped, failed, crashed or lost runs can be resumed"):
        control.resume(runs_root, demo_root, running)
    assert read_run(runs_root, waiting).state is RunState.STOPPED, "it was never started"
    assert not RunPaths(runs_root, waiting).log.exists()


# --- the waiting line


@pytest.mark.parametrize("state", ["queued", "finished"])
def test_only_a_run_that_ended_early_can_be_resumed(runs_root: Path, demo_root: Path, state: str) -> None:
    paths = create_run(runs_root, TINY)
    write_status(paths, read_status(paths).model_copy(update={"state": state}))
    with pytest.raises(RunError, match=f"is {state}. Only stopped, failed, crashed or lost runs can be resumed"):
        control.resume(runs_root, demo_root, paths.run_id)


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
    with pytest.raises(RunError, match="Can't write the queue under"):
        control.start(tmp_path / "file" / "runs", tmp_path, TINY)


def test_retry_starts_the_same_settings_anew(runs_root: Path, demo_root: Path, no_runner: list[Path]) -> None:
    create_run(runs_root, TINY, run_id="first", name="Tiny", author="Ada")
    again = read_run(runs_root, control.retry(runs_root, demo_root, "first"))
    assert again.config == TINY
    assert (again.meta.name, again.meta.author, again.meta.parent) == ("Tiny (2)", "Ada", "first")
    assert again.state is RunState.QUEUED
    assert no_runner == [runs_root]


def test_retry_of_damaged_settings_says_so(runs_root: Path, no_runner: list[Path]) -> None:
    paths = create_run(runs_root, TINY, run_id="first")
    paths.config.write_text("{")
    with pytest.raises(RunError, match="Can't run"):
        control.retry(runs_root, runs_root, "first")


def test_recover_puts_interrupted_runs_back_in_line(
    runs_root: Path, no_runner: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "is_local", lambda _: False)
    for name in ("a-old", "b-new", "c-elsewhere", "d-stopped", "e-waiting"):
        create_run(runs_root, TINY, run_id=name)
    for name in ("a-old", "b-new"):
        crash(RunPaths(runs_root, name))
        os.utime(RunPaths(runs_root, name).status, (0, 0))  # before this machine was restarted
    crash(RunPaths(runs_root, "c-elsewhere"), host="another")
    control.stop(runs_root, "d-stopped")
    assert recovery.recover(runs_root, runs_root) == ["a-old", "b-new"]
    assert line(runs_root) == ["e-waiting", "a-old", "b-new"]
    assert read_run(runs_root, "c-elsewhere").state in (RunState.RUNNING, RunState.LOST)
    assert no_runner == [runs_root]


@pytest.mark.parametrize(
    ("host", "boot", "local", "gone"),
    [
        ("a1b2c3", "this", False, True),  # a container made anew: the same kernel frees the locks of both
        ("a1b2c3", "before", True, True),  # the same after a reboot, its volume on a disk of this machine
        ("a1b2c3", "before", False, False),  # another machine that shares a network folder, for all anybody can tell
        ("own", "before", False, True),  # this machine after a reboot
    ],
)
def test_a_run_is_recovered_where_its_process_is_certainly_gone_whatever_the_host_is_called(
    runs_root: Path,
    no_runner: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    boot: str,
    local: bool,
    gone: bool,
) -> None:
    monkeypatch.setattr(liveness, "is_local", lambda _: local)
    host, boot = socket.gethostname() if host == "own" else host, boot_id() if boot == "this" else boot
    paths = create_run(runs_root, TINY, run_id="run")
    crash(paths, host=host, boot_id=boot)
    os.utime(paths.status, (0, 0))
    QueuePaths(runs_root).folder.mkdir(exist_ok=True)
    assert [run.id for run in recovery.lost_runs(list_runs(runs_root))] == ([] if gone else ["run"])
    assert recovery.recover(runs_root, runs_root) == (["run"] if gone else [])


def test_a_start_on_a_file_system_without_locks_makes_no_run_and_says_what_to_do(
    runs_root: Path, no_runner: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(handle: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(RunError, match=r"has no file locks \(flock\); set FER_RUNS_ROOT"):
        control.start(runs_root, runs_root, TINY)
    assert list_runs(runs_root) == [] and no_runner == []


def test_a_start_where_locks_stay_on_one_machine_is_refused_and_leaves_no_run(
    runs_root: Path, no_runner: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "local_lock_option", lambda folder: "nolock" if folder == runs_root else None)
    with pytest.raises(RunError, match=r"mounted with the option `nolock`.*Mount it without that option, or"):
        control.start(runs_root, runs_root, TINY)
    assert list_runs(runs_root) == [] and no_runner == []


def test_a_machine_that_only_shows_runs_starts_no_runner(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(control, "spawn_module", lambda *arguments: started.append(arguments))
    monkeypatch.setattr(control, "reap", lambda _: None)
    create_run(runs_root, TINY)
    monkeypatch.setenv("FER_RUNNER", "0")
    control.serve_queue(runs_root, runs_root)
    assert started == []
    monkeypatch.delenv("FER_RUNNER")
    control.serve_queue(runs_root, runs_root)
    assert len(started) == 1


def test_a_lost_run_is_stopped_by_force_and_its_process_turned_out(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "is_local", lambda _: False)
    paths = lose(create_run(runs_root, TINY))
    before = paths.alive_lock.stat().st_ino
    control.stop(runs_root, paths.run_id)
    assert read_run(runs_root, paths.run_id).state is RunState.LOST, "nobody knows whether it was heard"
    assert paths.stop_request.exists()
    control.stop_now(runs_root, paths.run_id)
    run = read_run(runs_root, paths.run_id)
    assert (run.state, paths.stop_request.exists()) == (RunState.STOPPED, False)
    assert run.problem == "Force-stopped by user while it was lost. Resume continues from the last checkpoint."
    assert paths.alive_lock.stat().st_ino != before


def test_a_start_in_a_folder_that_is_only_read_names_the_setting(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RunError, match=r"Read-only file system\. Set FER_RUNS_ROOT to a folder that can be written\.$"):
        control.start(runs_root, runs_root, TINY)


def test_recover_serves_a_line_that_lost_its_runner(runs_root: Path, no_runner: list[Path]) -> None:
    assert recovery.recover(runs_root, runs_root) == []
    assert no_runner == []
    create_run(runs_root, TINY, run_id="waiting")
    assert recovery.recover(runs_root, runs_root) == []
    assert no_runner == [runs_root]


def test_a_run_that_cannot_be_requeued_does_not_keep_the_others_back(
    runs_root: Path, no_runner: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a-others", "b-ours", "c-quick"):
        create_run(runs_root, TINY, run_id=name)
        crash(RunPaths(runs_root, name))
        os.utime(RunPaths(runs_root, name).status, (0, 0))

    def write(paths: RunPaths, status: RunStatus) -> None:
        if paths.run_id == "a-others":
            raise PermissionError(errno.EACCES, "Permission denied", str(paths.status))
        write_status(paths, status)

    def requeue(paths: RunPaths, data_root: Path) -> None:
        if paths.run_id == "c-quick":
            queue.requeue(paths, data_root)  # by a colleague, who pressed the button at the same time
        queue.requeue(paths, data_root)

    monkeypatch.setattr(queue, "write_status", write)
    monkeypatch.setattr(recovery, "requeue", requeue)
    said = r"2 of 3 interrupted runs requeued\. Can't write the folder of run a-others: Permission denied\. Set FER_"
    with pytest.raises(RunError, match=said):
        recovery.recover(runs_root, runs_root)
    assert line(runs_root) == ["b-ours", "c-quick"] and no_runner == [runs_root]
