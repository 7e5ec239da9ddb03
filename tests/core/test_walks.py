"""The ways through the code that `core/README.md` writes down: each file on them is read once in a process."""

import os
from collections import Counter
from pathlib import Path

import pytest

from core import files, worker
from core.cli import jobs
from core.config import TrainConfig
from core.data.dataset import load_split, read_identity
from core.jobs import control
from core.jobs.queue import queued_runs
from core.review.corrections import Correction, Corrections, run_corrections, save_corrections
from core.runs.reader import read_run
from core.runs.records import RunState
from tests.core.training.test_loop import TINY


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file of settings or corrections was read, by its name."""
    counted: Counter[str] = Counter()
    open_regular = files.open_regular

    def counting(path: str | Path, flags: int = os.O_RDONLY) -> int:
        counted[Path(path).name] += 1
        return open_regular(path, flags)

    monkeypatch.setattr(files, "open_regular", counting)
    return counted


@pytest.fixture(autouse=True)
def no_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)


def queue_and_train(runs_root: Path, data_root: Path, config: TrainConfig, reads: Counter[str]) -> dict[str, int]:
    """Start a run, and be its runner and its worker to the end; what these two have read of it."""
    run_id = control.start(runs_root, data_root, config)
    reads.clear()
    [waiting] = queued_runs(runs_root)
    assert waiting.id == run_id
    assert worker.work(waiting.paths, data_root, "cpu", worker.StopFlag(waiting.paths), worker._train) == 0
    found = dict(reads)
    assert read_run(runs_root, run_id).state is RunState.FINISHED
    return found


def test_the_settings_of_a_run_are_read_once_by_its_worker_and_never_by_the_queue(
    runs_root: Path, demo_root: Path, reads: Counter[str]
) -> None:
    found = queue_and_train(runs_root, demo_root, TrainConfig(**{**TINY, "epochs": 1}), reads)
    assert found["config.json"] == 1
    assert "corrections.json" not in found


def save_set(runs_root: Path, data_root: Path) -> TrainConfig:
    """Save a correction set for the demo dataset; the settings of a run with it."""
    data = read_identity(data_root, "demo")
    images = load_split(data_root, "demo", "validation").ids[:2].tolist()
    made = Corrections(
        name="look-1",
        dataset="demo",
        data_fingerprint=data.content,
        data_ordered_fingerprint=data.ordered,
        created_at="2026-11-22T12:00:00Z",  # type: ignore[arg-type]
        entries=tuple(Correction(split="validation", image=image, action="exclude") for image in images),
    )
    save_corrections(runs_root, made)
    return TrainConfig(**{**TINY, "epochs": 1, "corrections": "look-1"})


def test_a_correction_set_is_read_once_at_the_start_and_once_by_the_worker(
    runs_root: Path, demo_root: Path, reads: Counter[str]
) -> None:
    config = save_set(runs_root, demo_root)
    control.start(runs_root, demo_root, config)
    assert reads["look-1.json"] == 1
    control.stop(runs_root, queued_runs(runs_root)[0].id)

    found = queue_and_train(runs_root, demo_root, config, reads)
    assert (found["corrections.json"], found["config.json"]) == (1, 1)
    assert "look-1.json" not in found, "the copy in the run folder counts, whatever becomes of the set"
    [run_id] = [each.name for each in runs_root.iterdir() if (each / "summary.json").exists()]
    corrected = read_run(runs_root, run_id).summary.evaluation["validation"].corrected
    assert corrected is not None and corrected.images == len(load_split(demo_root, "demo", "validation")) - 2


def test_a_correction_set_is_read_once_also_where_the_settings_are_those_of_another_run(
    runs_root: Path, demo_root: Path, reads: Counter[str], capsys: pytest.CaptureFixture[str]
) -> None:
    first = control.start(runs_root, demo_root, save_set(runs_root, demo_root))
    reads.clear()
    again = control.retry(runs_root, demo_root, first)
    assert reads["look-1.json"] == 1
    reads.clear()
    jobs.runs_clone(first, runs_root, demo_root, ["epochs=2"])
    assert reads["look-1.json"] == 1
    for run_id in (again, capsys.readouterr().out.strip()):
        assert run_corrections(read_run(runs_root, run_id).paths) == run_corrections(read_run(runs_root, first).paths)
