"""`runs stop` and `resume`."""

import os
from pathlib import Path

import pytest

from core.config import TrainConfig
from core.jobs.launchers import register_launchers
from core.jobs.queue import take_queued
from core.runs.create import create_run, write_status
from core.runs.engines import Answer
from core.runs.reader import read_run, read_status
from core.runs.records import RunState
from tests.core.cli.conftest import fer
from tests.core.jobs.conftest import lose
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


@pytest.fixture
def lost(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run that another machine has trained, which has not been heard of for long."""
    monkeypatch.setattr("core.runs.liveness.is_local", lambda _: False)
    return lose(create_run(runs_root, TrainConfig(), run_id="elsewhere")).run_id


def test_a_lost_run_is_given_up_by_force_and_every_other_way_says_so(
    runs_root: Path, demo_root: Path, lost: str
) -> None:
    terminal = Terminal(runs_root, demo_root)
    command = "python -m core runs stop elsewhere --now"
    assert terminal("runs", "stop", lost) == (
        f"elsewhere is lost: if it still trains, it stops. To give it up: {command}"
    )
    said = f"Run elsewhere is lost. Force-stop it before deleting: {command}"
    assert terminal("runs", "delete", lost, "--yes", code=2) == said
    assert terminal(*command.split()[3:]) == (
        "elsewhere: stopped. Force-stopped by user while it was lost. Resume continues from the last checkpoint."
    )
    terminal("runs", "delete", lost, "--yes")
    assert not (runs_root / lost).exists()


def test_a_run_that_an_engine_was_only_asked_to_end_is_not_called_stopped(
    runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.runs.engines._ENGINES", {})
    monkeypatch.setattr("core.jobs.launchers.slurm.SlurmLauncher.stop", lambda *_: None)
    monkeypatch.setattr("core.jobs.launchers.slurm.SlurmLauncher.alive", lambda *_: {"busy": Answer("yes")})
    paths = create_run(runs_root, TrainConfig(), run_id="busy", launcher="slurm")
    take_queued(paths, {"host": "node-1", "boot_id": "of node-1"}, job="7")
    register_launchers()
    assert Terminal(runs_root, demo_root)("runs", "stop", "busy", "--now") == "busy: stopping."


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
