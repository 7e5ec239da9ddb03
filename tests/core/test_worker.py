"""One training process: what it leaves in the folder of a run, and how it says what went wrong."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core import worker
from core.errors import DataError
from core.jobs import control
from core.jobs.machine_slots import hold_slot
from core.runs.create import create_run
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.reader import read_run, read_status
from core.runs.records import RunState
from tests.conftest import PROJECT_ROOT
from tests.core.conftest import MISSING, TINY, wait_for_end, wait_until_training


def test_a_finished_run_has_every_file_and_its_figures(two_runs: tuple[Path, list[str], str]) -> None:
    runs_root, [run_id, _], _ = two_runs
    run = read_run(runs_root, run_id)
    paths = run.paths
    files = {path.name for path in paths.folder.iterdir()}
    wanted = "config status environment meta summary".split()
    assert {f"{name}.json" for name in wanted} <= files
    assert {"epochs.jsonl", "steps.jsonl", "system.jsonl", "train.log", "alive.lock"} <= files
    assert {"checkpoint.pt", "fer2013_model_2.pth"} <= files
    assert {"predictions-validation.parquet", "predictions-test.parquet"} <= files
    assert not [name for name in files if name.startswith(".tmp-")]
    assert "stop.request" not in files
    assert [row["epoch"] for row in read_rows(paths.epochs)[0]] == [1, 2]
    assert [row["step"] for row in read_rows(paths.steps)[0]] == [1, 2, 3, 4, 5, 6]
    assert run.status.progress == 1.0
    assert run.status.eta_seconds is None
    assert run.status.epoch == 2
    assert run.summary.epochs_done == 2
    test = run.metrics("test")
    assert test and test.images == 42
    assert torch.load(paths.checkpoint, weights_only=True)["progress"]["epoch"] == 2


def test_nothing_in_a_finished_run_knows_where_it_lies(two_runs: tuple[Path, list[str], str]) -> None:
    runs_root, [run_id, _], _ = two_runs
    for path in (runs_root / run_id).iterdir():
        assert str(runs_root.parent).encode() not in path.read_bytes(), path.name


def test_every_file_of_a_finished_run_is_described(two_runs: tuple[Path, list[str], str]) -> None:
    runs_root, [run_id, _], _ = two_runs
    text = (PROJECT_ROOT / "runs" / "README.md").read_text()
    for path in [*(runs_root / run_id).iterdir(), *(runs_root / ".queue").iterdir()]:
        name = re.sub(r"^predictions-\w+\.", "predictions-<split>.", path.name)
        name = re.sub(r"^(events\.out\.tfevents)\.\d+$", r"\1.<n>", name)
        name = re.sub(r"^slot-.*\.lock$", "slot-<slot>.lock", name)
        assert f"`{name}`" in text or f"`{name}/`" in text, f"runs/README.md does not name {name}"


FIELDS_OF: dict[str, Callable[[RunPaths], set[str]]] = {
    "status.json": lambda paths: set(json.loads(paths.status.read_text())),
    "meta.json": lambda paths: set(json.loads(paths.meta.read_text())),
    "summary.json": lambda paths: set(json.loads(paths.summary.read_text())),
    "environment.json": lambda paths: set(json.loads(paths.environment.read_text())),
    "epochs.jsonl": lambda paths: set().union(*read_rows(paths.epochs)[0]),
    "steps.jsonl": lambda paths: set().union(*read_rows(paths.steps)[0]),
}


@pytest.mark.parametrize("name", FIELDS_OF)
def test_every_field_of_a_finished_run_is_described(two_runs: tuple[Path, list[str], str], name: str) -> None:
    runs_root, [run_id, _], _ = two_runs
    text = (PROJECT_ROOT / "runs" / "README.md").read_text()
    [section] = re.findall(rf"^## `{re.escape(name)}`.*?(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    fields = FIELDS_OF[name](RunPaths(runs_root, run_id))
    assert [field for field in sorted(fields) if f"`{field}`" not in section] == []


def test_the_plain_script_reads_runs(two_runs: tuple[Path, list[str], str]) -> None:
    runs_root, [run_id, _], _ = two_runs
    [script] = re.findall(r"```python\n(.*?)```", (PROJECT_ROOT / "runs" / "README.md").read_text(), re.DOTALL)
    script += "    print(losses)\n"
    command = [sys.executable, "-I", "-c", script]
    result = subprocess.run(command, cwd=runs_root.parent, capture_output=True, text=True, check=True)
    run = read_run(runs_root, run_id)
    losses = [row["train_loss"] for row in read_rows(RunPaths(runs_root, run_id).epochs)[0]]
    assert result.stdout == f"{run_id} finished {run.validation_accuracy}\n{losses}\n"


def test_a_worker_that_cannot_begin_fails_its_run(runs_root: Path, demo_root: Path) -> None:
    paths = create_run(runs_root, TINY)
    paths.alive_lock.mkdir()  # what no worker can lock
    control.ensure_runner(runs_root, demo_root)
    run = wait_for_end(runs_root, paths.run_id)
    assert run.state is RunState.FAILED
    assert run.problem == "The training process exited before training started (exit code 1). See the log."


def test_two_workers_for_one_run_train_it_once(runs_root: Path, demo_root: Path) -> None:
    """As after a runner that was killed right after it started one."""
    paths = create_run(runs_root, MISSING)
    command = [sys.executable, "-m", "core.worker", str(paths.folder), "--data-root", str(demo_root)]
    workers = [
        subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    said = [each.communicate(timeout=60)[0] for each in workers]
    assert sorted(each.returncode for each in workers) == [0, 1], said
    assert sum("is not queued: nothing to do" in text for text in said) == 1
    assert sum("is not imported" in text for text in said) == 1


def engine_worker(paths: RunPaths, data_root: Path, **variables: str) -> "subprocess.Popen[bytes]":
    """A quick worker as a job of an engine."""
    command = [sys.executable, "-m", "tests.faults.tiny_worker", str(paths.folder), "--data-root", str(data_root)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", **variables}
    with paths.log.open("ab") as log:
        command += ["--launcher", "slurm", "--job", "5"]
        return subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=log, stderr=log)


@pytest.mark.parametrize(("devices", "slot"), [("", "cpu-slurm"), ("NoDevFiles", "cpu-slurm"), ("0", "gpu-slurm")])
def test_a_worker_of_an_engine_waits_for_no_slot_and_has_the_gpu_that_it_was_given(
    runs_root: Path, devices: str, slot: str
) -> None:
    paths = create_run(runs_root, TINY, launcher="slurm")
    with hold_slot("cpu", 0):
        worker = engine_worker(paths, runs_root, CUDA_VISIBLE_DEVICES=devices)
        assert worker.wait(timeout=90) == 0, paths.log.read_text()
    status = read_status(paths)
    assert (status.state, status.slot, status.job) == ("finished", slot, "5")


def test_a_worker_that_its_engine_interrupts_asks_to_be_started_again_and_goes_on(runs_root: Path) -> None:
    paths = create_run(runs_root, TINY, launcher="slurm")
    worker = engine_worker(paths, runs_root, FER_TINY_STEPS="100000")
    wait_until_training(paths)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=90) == os.EX_TEMPFAIL, paths.log.read_text()
    status, rows = read_status(paths), len(read_rows(paths.steps)[0])
    said = "Interrupted by Slurm: cancelled there, preempted or out of time. Resume continues where it was."
    assert (status.state, status.error) == ("running", said) and status.ended_at
    again = engine_worker(paths, runs_root, FER_TINY_STEPS=str(rows + 1))
    assert again.wait(timeout=90) == 0, paths.log.read_text()
    status = read_status(paths)
    assert (status.state, status.error) == ("finished", None)
    assert len(read_rows(paths.steps)[0]) == rows + 1, "from where it was"


def test_a_worker_without_a_run_says_so(runs_root: Path) -> None:
    command = [sys.executable, "-m", "core.worker", str(runs_root / "gone"), "--data-root", str(runs_root)]
    result = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert "gone is not the folder of a run" in result.stderr
    assert not (runs_root / "gone").exists()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DataError("It is\n  damaged."), "It is damaged."),
        (
            OSError(28, "No space left on device"),
            "The disk is full. Free some space, then resume the run from its last checkpoint.",
        ),
        (
            OSError(13, "Permission denied"),
            "File system error: Permission denied. The last checkpoint was kept.",
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "Out of memory. Try a smaller batch size."),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "Out of memory. Try a smaller batch size."),
        (MemoryError(), "Out of memory. Try a smaller batch size."),
        (KeyError("x"), "KeyError: 'x' (see the log)."),
        (ValueError(), "ValueError: ValueError (see the log)."),
    ],
)
def test_every_failure_is_one_line_for_people(error: Exception, line: str) -> None:
    assert worker.explain(error) == line


def test_out_of_memory_says_which_batch_size_to_try() -> None:
    assert worker.explain(MemoryError(), TINY) == "Out of memory. Try a batch size of 8."


def test_the_last_word_is_written_on_a_full_disk_too(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = create_run(runs_root, TINY)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(worker, "write_status", full)
    final = read_status(paths).model_copy(update={"state": "failed", "activity": "", "error": "The disk is full."})
    asked: list[str] = []
    worker._write_end(paths, final, lambda: asked.append("is it ours?"))
    assert asked == ["is it ours?"], "what another process has written is not written over"
    assert read_status(paths) == final


def test_a_damaged_environment_file_does_not_end_a_training(runs_root: Path) -> None:
    paths = create_run(runs_root, TINY)
    for damaged in ("{", "[1]", '{"resumes": 1}'):
        paths.environment.write_text(damaged)
        worker.record_environment(paths, {"python": "3.11"})
        assert json.loads(paths.environment.read_text()) == {"python": "3.11"}
    worker.record_environment(paths, {"python": "3.12", "host": "a"})
    assert json.loads(paths.environment.read_text()) == {"python": "3.11", "resumes": [{"python": "3.12", "host": "a"}]}
