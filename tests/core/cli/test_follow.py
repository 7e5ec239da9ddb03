"""Following a run at a terminal, to its end or until Ctrl-C."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.cli.follow import Tail, follow, follow_all
from core.jobs import control
from core.runs.create import create_run
from core.runs.paths import RunPaths
from core.runs.reader import read_run
from core.runs.records import RunState
from tests.conftest import PROJECT_ROOT, as_in_a_terminal
from tests.core.conftest import ENDLESS, TINY, wait_for_end, wait_until_training
from tests.core.runs.conftest import set_status


def test_following_a_run_prints_a_line_for_each_epoch(
    demo_root: Path, runs_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = control.start(runs_root, demo_root, TINY, name="[bold]not markup[/bold]")
    run = follow(runs_root, run_id)
    assert run.state is RunState.FINISHED
    printed = capsys.readouterr().err
    assert "epoch 1/2: train loss" in printed
    assert "epoch 2/2: train loss" in printed


def test_rows_that_a_resume_writes_anew_come_once_and_none_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "epochs.jsonl"
    tail = Tail(path, "epoch")

    def write(*epochs: int, loss: float) -> None:
        path.write_text("".join(json.dumps({"epoch": epoch, "loss": loss}) + "\n" for epoch in epochs))

    assert tail.new() == []
    write(1, 2, 3, loss=1.0)
    assert [row["epoch"] for row in tail.new()] == [1, 2, 3]
    write(1, 2, loss=1.0)
    assert tail.new() == [], "the resume has dropped the end"
    write(1, 2, 3, 4, 5, loss=1.25)
    assert [row["epoch"] for row in tail.new()] == [4, 5], "also where the file is longer by now than it was"
    assert tail.new() == []


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


def test_of_several_runs_those_that_failed_are_named_and_who_leaves_one_leaves_all(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for run_id, state in (("a", "failed"), ("b", "finished"), ("c", "running"), ("d", "failed")):
        create_run(runs_root, TINY, run_id=run_id)
        set_status(RunPaths(runs_root, run_id), state=state, error="Too hot." if state == "failed" else None)
    followed: list[str] = []
    ends = {run_id: read_run(runs_root, run_id) for run_id in "abcd"}
    ends["c"] = replace(ends["c"], state=RunState.RUNNING)  # Ctrl-C twice
    monkeypatch.setattr("core.cli.follow.follow", lambda root, run_id: followed.append(run_id) or ends[run_id])
    assert follow_all(runs_root, ["a", "b", "c", "d"]) == ["a"] and followed == ["a", "b", "c"]
    assert capsys.readouterr().err == "a: failed: Too hot.\nb: finished\n"
