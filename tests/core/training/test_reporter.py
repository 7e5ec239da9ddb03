"""`status.json` while a run trains, and the lease that tells other machines that its process lives."""

import threading
from pathlib import Path
from typing import Any

import pytest

from core.config import TrainConfig
from core.runs.create import create_run
from core.runs.paths import RunPaths
from core.runs.reader import read_status
from core.training import reporter as module
from core.training.reporter import StatusReporter
from tests.conftest import wait_for


@pytest.fixture
def paths(runs_root: Path) -> RunPaths:
    return create_run(runs_root, TrainConfig())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEWAL_SECONDS", 0.01)


def test_epochs_of_less_than_a_second_are_not_all_validation(paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    reporter = StatusReporter(paths, read_status(paths))
    clock, seen, writes = 100.0, set(), []
    write_status = module.write_status

    def counted(*arguments: Any, **more: Any) -> None:
        writes.append(clock)
        write_status(*arguments, **more)

    monkeypatch.setattr(module, "write_status", counted)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock)
    for _ in range(10):  # epochs of 0.4 s, validation included
        for activity in ("training", "validating"):
            clock += 0.2
            reporter.update(activity=activity)
            seen.add(read_status(paths).activity)
    assert seen == {"training", "validating"}
    assert len(writes) <= 2 * 4, "each at most once a second, in four seconds"


def test_each_write_renews_the_lease(paths: RunPaths) -> None:
    reporter = StatusReporter(paths, read_status(paths).model_copy(update={"lease_sequence": 7}))
    for number in (8, 9):
        reporter.update(now=True, epoch=number)
        status = read_status(paths)
        assert (status.lease_sequence, status.epoch) == (number, number)
        assert status.lease_at is not None


def test_the_lease_is_renewed_while_nothing_moves(paths: RunPaths, quick: None) -> None:
    """As while data are loaded; that nothing moves must still be seen."""
    with StatusReporter(paths, read_status(paths)) as reporter:
        reporter.update(now=True, activity="loading data")
        before = read_status(paths)
        wait_for(lambda: read_status(paths).lease_sequence > before.lease_sequence + 2, what="two renewals")
        status = read_status(paths)
    assert (status.heartbeat, status.activity) == (before.heartbeat, before.activity)
    assert read_status(paths) == reporter.status, "nothing is written after the end"


def test_a_write_that_fails_is_not_the_end_of_the_lease(
    paths: RunPaths, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_status, failed = module.write_status, threading.Event()

    def full_once(*arguments: Any, **more: Any) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError(28, "No space left on device")
        write_status(*arguments, **more)

    monkeypatch.setattr(module, "write_status", full_once)
    with StatusReporter(paths, read_status(paths)):
        wait_for(lambda: read_status(paths).lease_sequence > 0, what="a renewal")
    assert failed.is_set()


def test_before_each_write_it_is_made_sure_that_the_run_is_still_ours(paths: RunPaths, quick: None) -> None:
    class OursNoMoreError(Exception):
        """Instead of the end of the process."""

    asked: list[str] = []

    def check() -> None:
        asked.append(threading.current_thread().name)
        if threading.current_thread() is threading.main_thread():
            raise OursNoMoreError

    before = paths.status.read_bytes()
    with pytest.raises(OursNoMoreError):
        StatusReporter(paths, read_status(paths), check).update(now=True, epoch=1)
    assert paths.status.read_bytes() == before
    with StatusReporter(paths, read_status(paths), check):
        wait_for(lambda: "lease" in asked, what="the thread's question")
