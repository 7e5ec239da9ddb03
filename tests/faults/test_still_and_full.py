"""Processes that stand still, clocks that jump, disks that are full, folders that are none."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import torch
from streamlit.testing.v1 import AppTest

from core.config import TrainConfig
from core.jobs import control
from core.jobs.control import spawn_module
from core.models.cnn import CnnModel1
from core.runs import liveness, reader
from core.runs.create import create_run, write_status
from core.runs.history import read_rows
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import list_runs, read_run, read_status
from core.runs.records import RunState
from dashboard.state import cache
from dashboard.ui.page import UNEXPECTED
from tests.conftest import PROJECT_ROOT, wait_for
from tests.core.conftest import ENDLESS

FULL = "The disk is full. Free some space, then resume the run from its last checkpoint."


def fill(file: Path) -> None:
    """Write until the disk is full."""
    with file.open("wb", buffering=0) as output:
        for size in (1 << 20, 4096):
            with contextlib.suppress(OSError):
                while True:
                    output.write(bytes(size))


def state_of(paths: RunPaths) -> RunState:
    return read_run(paths.root, paths.run_id).state


def test_a_process_that_stands_still_has_stalled_until_it_moves_again(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "STALLED_AFTER_SECONDS", 1.5)
    paths = create_run(runs_root, TrainConfig())
    QueuePaths(runs_root).folder.mkdir(exist_ok=True)
    arguments = ["tests.faults.tiny_worker", str(paths.folder), "--data-root", str(runs_root)]
    worker = spawn_module(arguments, paths.log, {"FER_TINY_STEPS": "100000"})
    wait_for(lambda: len(read_rows(paths.steps)[0]) > 0, 30, "the first row")
    wait_for(lambda: state_of(paths) is RunState.RUNNING, 30, "the first sign of life")
    os.kill(worker.pid, signal.SIGSTOP)
    wait_for(lambda: state_of(paths) is RunState.STALLED, 30, "being stalled")
    assert "process still running" in (read_run(runs_root, paths.run_id).problem or "")
    assert psutil.pid_exists(worker.pid), "shown, never killed"
    os.kill(worker.pid, signal.SIGCONT)
    wait_for(lambda: state_of(paths) is RunState.RUNNING, 30, "moving again")
    control.stop(runs_root, paths.run_id)
    assert worker.wait(30) == 0
    assert state_of(paths) is RunState.STOPPED


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_moved_changes_no_state(runs_root: Path, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    paths = create_run(runs_root, TrainConfig())
    QueuePaths(runs_root).folder.mkdir(exist_ok=True)
    arguments = ["tests.faults.tiny_worker", str(paths.folder), "--data-root", str(runs_root)]
    worker = spawn_module(arguments, paths.log, {"FER_TINY_STEPS": "100000"})
    for state in ("queued", "finished", "crashed"):
        other = create_run(runs_root, TrainConfig(), run_id=state)
        written = {"state": "running" if state == "crashed" else state, "heartbeat": time.monotonic()}
        write_status(other, read_status(other).model_copy(update=written))
    wait_for(lambda: len(read_rows(paths.steps)[0]) > 0, 30, "the first row")
    before = {run.id: run.state for run in list_runs(runs_root)}
    assert set(before.values()) == {RunState.RUNNING, RunState.QUEUED, RunState.FINISHED, RunState.CRASHED}

    class Moved(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(hours=hours)

    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600 * hours)
    monkeypatch.setattr(reader, "datetime", Moved)
    assert {run.id: run.state for run in list_runs(runs_root)} == before
    control.stop(runs_root, paths.run_id)
    worker.wait(30)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small file system here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_fails_the_run_and_keeps_its_last_checkpoint(small_disk: Path, demo_root: Path) -> None:
    runs_root = small_disk / "runs"
    config = ENDLESS.model_copy(update={"checkpoint_seconds": 1})
    paths = RunPaths(runs_root, control.start(runs_root, demo_root, config))
    wait_for(lambda: paths.checkpoint.exists() and len(read_rows(paths.steps)[0]) > 0, 90, "the first checkpoint")
    filler = small_disk / "filler"
    fill(filler)
    wait_for(lambda: not state_of(paths).is_live, 60, "the end of the run")
    run = read_run(runs_root, paths.run_id)
    assert (run.state, run.problem) == (RunState.FAILED, FULL)
    kept = torch.load(paths.checkpoint, weights_only=True)
    CnnModel1().load_state_dict(kept["model"])
    assert list(paths.folder.glob(".tmp-*")) == []

    filler.unlink()
    control.resume(runs_root, demo_root, run.id)
    done, begun = kept["progress"]["step"], run.status.started_at

    def goes_on() -> bool:
        status = read_status(paths)
        return status.started_at != begun and status.activity == "training"

    wait_for(goes_on, 90, "going on")
    control.stop(runs_root, run.id)
    wait_for(lambda: state_of(paths) is RunState.STOPPED, 90, "the stop")
    steps = [row["step"] for row in read_rows(paths.steps)[0]]
    assert len(steps) > done
    assert steps == list(range(1, len(steps) + 1)), "no gap and no double"


@pytest.mark.parametrize("page", ["overview", "data", "train", "runs", "run", "group", "compare", "errors", "predict"])
def test_no_page_fails_over_folders_that_are_no_runs(
    runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    home = PROJECT_ROOT / "dashboard" / "Home.py"
    (runs_root / "empty").mkdir()
    for name, text in {"half": '{"state": "runn', "types": '{"state": 7, "created_at": []}'}.items():
        create_run(runs_root, TrainConfig(), run_id=name).status.write_text(text)
    create_run(runs_root, TrainConfig(), run_id="config").config.write_text("[1]")
    folder = create_run(runs_root, TrainConfig(), run_id="folder-for-a-file")
    folder.status.unlink()
    folder.status.mkdir()
    create_run(runs_root, TrainConfig(), run_id="folder-for-rows").epochs.mkdir()
    (runs_root / "link").symlink_to(runs_root / "config")
    (runs_root / "Not A Run").mkdir()
    monkeypatch.setenv("FER_RUNS_ROOT", str(runs_root))
    monkeypatch.setenv("FER_DATA_ROOT", str(demo_root))
    monkeypatch.setattr(cache, "take_over", lambda *_: None)
    assert len(list_runs(runs_root)) == 7
    wanted = (
        ["", "empty", "half", "types", "config", "folder-for-a-file", "folder-for-rows", "link", "../x"]
        if page == "run"
        else [""]
    )
    for run_id in wanted:
        app = AppTest.from_file(str(home), default_timeout=60).run()
        if page != "overview":
            app.switch_page(f"views/{page}/page.py")
        if run_id:
            app.query_params["run"] = run_id
        app.run()
        assert not app.exception
        assert UNEXPECTED not in [error.value for error in app.error], run_id
        if run_id not in ("", "config"):
            assert app.error, f"{run_id} must be explained"
