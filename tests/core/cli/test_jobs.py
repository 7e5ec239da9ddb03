"""`runs stop` and `resume`."""

from pathlib import Path

from core.config import TrainConfig
from core.jobs.queue import take_queued
from core.runs.create import create_run
from core.runs.reader import read_run
from core.runs.records import RunState
from tests.core.cli.conftest import fer


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
