"""The waiting line: who is next, who may leave it, and who wins where two want one run."""

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from core.errors import RunError
from core.jobs import control, queue
from core.jobs.queue import Place, end_of_queue, fail_queued, move_queued, queue_lock, queued_runs, requeue, take_queued
from core.runs.create import create_run, write_status
from core.runs.paths import RunPaths
from core.runs.reader import read_run, read_status
from core.runs.records import RunState
from tests.conftest import PROJECT_ROOT
from tests.core.conftest import TINY
from tests.core.jobs.conftest import crash, line, lose


def test_runs_wait_in_the_order_of_their_positions(runs_root: Path) -> None:
    for run_id, position in (("b", 2.0), ("c", 3.0), ("a", 1.0)):
        create_run(runs_root, TINY, run_id=run_id, queue_position=position)
    assert [run.id for run in queued_runs(runs_root)] == ["a", "b", "c"]


def test_a_folder_of_runs_that_is_gone_does_not_come_back_empty(tmp_path: Path) -> None:
    root = tmp_path / "unmounted" / "runs"
    with pytest.raises(RunError, match=f"Can't write the queue under {root}: No such file"), queue_lock(root):
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
        "act = cancel_queued if sys.argv[2] == 'cancel' else lambda each: take_queued(each, {}) is not None\n"
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
    with pytest.raises(RunError, match="is not queued"):
        move_queued(RunPaths(runs_root, "a"), "first")


def test_a_lost_run_is_requeued_and_its_old_process_turned_out(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.runs.liveness.is_local", lambda _: False)
    paths = lose(create_run(runs_root, TINY))
    with FileLock(paths.alive_lock):  # as by a process of another machine, where the file system passes locks on
        before = paths.alive_lock.stat().st_ino
        requeue(paths)
        assert paths.alive_lock.stat().st_ino != before
        with FileLock(paths.alive_lock, timeout=0):
            pass  # its next worker need not wait
    assert line(runs_root) == [paths.run_id]


def test_a_run_that_crashed_here_keeps_its_lock_file(runs_root: Path) -> None:
    """Its process may still be on its way out: the next one has to wait for it."""
    paths = create_run(runs_root, TINY)
    crash(paths)
    paths.alive_lock.touch()
    before = paths.alive_lock.stat().st_ino
    requeue(paths)
    assert paths.alive_lock.stat().st_ino == before
