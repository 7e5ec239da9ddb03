"""What people do to runs: change their order, kill, try again, clone, and put back in line after a restart."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.cli.follow import follow
from core.errors import RunError
from core.files import lock_is_held
from core.jobs import control
from core.jobs.kill import kill_worker, worker_process
from core.jobs.queue import Place, move_queued, queued_runs
from core.runs.create import create_run, write_status
from core.runs.paths import RunPaths
from core.runs.reader import read_run, read_status
from core.runs.records import RunState
from tests.conftest import PROJECT_ROOT, as_in_a_terminal
from tests.core.conftest import ENDLESS, TINY, wait_for_end, wait_until_training


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


@pytest.mark.parametrize(
    ("place", "expected"),
    [("first", "cabd"), ("earlier", "acbd"), ("later", "abdc"), ("last", "abdc")],
)
def test_a_waiting_run_moves_in_the_line(runs_root: Path, place: Place, expected: str) -> None:
    for position, name in enumerate("abcd"):
        create_run(runs_root, TINY, run_id=name, queue_position=float(position))
    move_queued(RunPaths(runs_root, "c"), place)
    assert line(runs_root) == list(expected)


@pytest.mark.parametrize("place", ["first", "earlier", "later", "last"])
def test_the_ends_of_the_line_are_no_trouble(runs_root: Path, place: Place) -> None:
    create_run(runs_root, TINY, run_id="only")
    move_queued(RunPaths(runs_root, "only"), place)
    assert line(runs_root) == ["only"]


@pytest.mark.parametrize("keep_place", [True, False])
def test_a_removed_run_comes_back_to_its_place_or_to_the_end(
    runs_root: Path, no_runner: list[Path], keep_place: bool
) -> None:
    for position, name in enumerate("abc"):
        create_run(runs_root, TINY, run_id=name, queue_position=float(position))
    control.stop(runs_root, "b")
    assert line(runs_root) == ["a", "c"]
    control.resume(runs_root, runs_root, "b", keep_place=keep_place)
    assert line(runs_root) == (["a", "b", "c"] if keep_place else ["a", "c", "b"])


def test_a_run_that_does_not_wait_has_no_place(runs_root: Path) -> None:
    crash(create_run(runs_root, TINY, run_id="a"))
    with pytest.raises(RunError, match="is not waiting"):
        move_queued(RunPaths(runs_root, "a"), "first")


def test_a_worker_that_hangs_is_killed_and_nothing_else_is(demo_root: Path, runs_root: Path) -> None:
    run_id = control.start(runs_root, demo_root, ENDLESS)
    paths = RunPaths(runs_root, run_id)
    wait_until_training(paths)
    status = read_status(paths)
    process = worker_process(paths, status)
    assert process is not None
    assert process.pid == status.pid
    for change in (
        {"host": "another"},
        {"boot_id": "before the restart"},
        {"pid": os.getpid()},  # used again, by something else
        {"pid": None},
        {"pid": 2**22 + 1},
    ):
        assert worker_process(paths, status.model_copy(update=change)) is None
        assert not kill_worker(paths, status.model_copy(update=change))
    another = RunPaths(runs_root, "another-run")
    assert worker_process(another, status) is None, "the pid was used again, by the worker of another run"
    assert process.is_running()
    process.send_signal(signal.SIGSTOP)  # it hangs: a polite stop would wait for ever
    control.stop_now(runs_root, run_id)
    run = read_run(runs_root, run_id)
    assert run.state is RunState.STOPPED
    assert run.problem is None or "resume" in run.problem
    assert not paths.stop_request.exists()
    assert not lock_is_held(paths.alive_lock)
    control.stop_now(runs_root, run_id)  # twice is harmless


def test_a_worker_elsewhere_is_not_killed_from_here(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = create_run(runs_root, TINY, run_id="far")
    crash(paths, host="another", pid=1)
    monkeypatch.setattr("core.runs.reader.lock_is_held", lambda path: True)
    with pytest.raises(RunError, match="cannot be killed from here"):
        control.stop_now(runs_root, "far")


def test_retry_starts_the_same_settings_anew(runs_root: Path, demo_root: Path, no_runner: list[Path]) -> None:
    create_run(runs_root, TINY, run_id="first", name="Tiny", author="Ada")
    again = read_run(runs_root, control.retry(runs_root, demo_root, "first"))
    assert again.config == TINY
    assert (again.meta.name, again.meta.author, again.meta.parent) == ("Tiny", "Ada", "first")
    assert again.state is RunState.QUEUED
    assert no_runner == [runs_root]


def test_retry_of_damaged_settings_says_so(runs_root: Path, no_runner: list[Path]) -> None:
    paths = create_run(runs_root, TINY, run_id="first")
    paths.config.write_text("{")
    with pytest.raises(RunError, match="cannot be started again"):
        control.retry(runs_root, runs_root, "first")


def test_recover_puts_interrupted_runs_back_in_line(runs_root: Path, no_runner: list[Path]) -> None:
    for name in ("a-old", "b-new", "c-elsewhere", "d-stopped", "e-waiting"):
        create_run(runs_root, TINY, run_id=name)
    crash(RunPaths(runs_root, "a-old"))
    crash(RunPaths(runs_root, "b-new"))
    crash(RunPaths(runs_root, "c-elsewhere"), host="another")
    control.stop(runs_root, "d-stopped")
    assert control.recover(runs_root, runs_root) == ["a-old", "b-new"]
    assert line(runs_root) == ["e-waiting", "a-old", "b-new"]
    assert read_run(runs_root, "c-elsewhere").state is RunState.CRASHED
    assert no_runner == [runs_root]


def test_recover_serves_a_line_that_lost_its_runner(runs_root: Path, no_runner: list[Path]) -> None:
    assert control.recover(runs_root, runs_root) == []
    assert no_runner == []
    create_run(runs_root, TINY, run_id="waiting")
    assert control.recover(runs_root, runs_root) == []
    assert no_runner == [runs_root]


def test_following_a_run_prints_a_line_for_each_epoch(
    demo_root: Path, runs_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = control.start(runs_root, demo_root, TINY, name="[bold]not markup[/bold]")
    run = follow(runs_root, run_id)
    assert run.state is RunState.FINISHED
    printed = capsys.readouterr().err
    assert "epoch 1/2: train loss" in printed
    assert "epoch 2/2: train loss" in printed


def test_ctrl_c_stops_the_run_with_a_checkpoint(demo_root: Path, runs_root: Path) -> None:
    settings = [f"--set={name}={value}" for name, value in ENDLESS.model_dump(exclude_defaults=True).items()]
    roots = ["--runs-root", str(runs_root), "--data-root", str(demo_root)]
    command = [sys.executable, "-m", "core", "train", "--wait", *settings, *roots]
    with subprocess.Popen(
        command,
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=as_in_a_terminal,
    ) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        wait_until_training(RunPaths(runs_root, run_id))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Stopping at the next batch" in errors
    run = wait_for_end(runs_root, run_id)
    assert run.state is RunState.STOPPED
    assert run.paths.checkpoint.exists()
