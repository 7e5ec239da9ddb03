"""`runs stop` and `resume`."""

import os
from pathlib import Path

import pytest

from core.config import TrainConfig
from core.jobs.queue import take_queued
from core.runs.create import create_run, write_status
from core.runs.reader import read_run, read_status
from core.runs.records import RunState
from tests.core.cli.conftest import fer
from tests.core.terminal import Terminal


def test_recover_asks_where_another_machine_may_still_train(
    runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.runs.liveness.is_local", lambda _: False)
    paths = create_run(runs_root, TrainConfig(), run_id="elsewhere")
    ended = {"state": "running", "host": "another", "boot_id": "x"}
    write_status(paths, read_status(paths).model_copy(update=ended))
    os.utime(paths.status, (0, 0))
    said = Terminal(runs_root, demo_root)("runs", "recover", data=True)
    assert said.startswith("elsewhere: lost. No sign of life from another for ")
    assert said.endswith(
        " h: it may still train there, or not. If it does not train any more, resume it from its last checkpoint. "
        "To do so: python -m core runs resume elsewhere"
    )


def test_stop_takes_a_waiting_run_out_of_the_queue_and_may_be_said_twice(runs_root: Path) -> None:
    paths = create_run(runs_root, TrainConfig())
    assert "stopping" in fer("runs", "stop", paths.run_id, "--runs-root", runs_root).stdout
    assert read_run(runs_root, paths.run_id).state is RunState.STOPPED
    assert "is already stopped" in fer("runs", "stop", paths.run_id, "--runs-root", runs_root).stdout


def test_resume_puts_a_crashed_run_back(runs_root: Path, demo_root: Path) -> None:
    paths = create_run(runs_root, TrainConfig(dataset="not-imported"))
    take_queued(paths, {})
    assert read_run(runs_root, paths.run_id).state is RunState.CRASHED
    result = fer("runs", "resume", paths.run_id, "--runs-root", runs_root, "--data-root", demo_root)
    assert result.stdout == f"{paths.run_id}: requeued.\n"


def test_a_run_given_by_its_folder_is_stopped_there(runs_root: Path) -> None:
    paths = create_run(runs_root, TrainConfig())
    fer("runs", "stop", paths.folder)
    assert read_run(runs_root, paths.run_id).state is RunState.STOPPED
