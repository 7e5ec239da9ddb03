"""A resume never trains over what it cannot continue: no checkpoint, one from a backup, or weights that are not its."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.config import TrainConfig
from core.errors import RunError
from core.exchange.bundle import write_zip
from core.files import read_json, write_json
from core.jobs import control, recovery
from core.runs.best import HASH
from core.runs.create import create_run, write_status
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.reader import list_runs, read_run, read_status
from core.runs.records import RunState
from core.runs.resume import require_newest
from core.training import loop
from core.training.loop import Stopped
from tests.core.training.test_loop import TINY, train_on

CONFIG = TrainConfig(**TINY)
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def stopped(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """A run that was stopped after its second epoch, the best one; read-only. Beside it `early.pt`, the checkpoint of
    an earlier stop, within that epoch."""
    paths = create_run(tmp_path_factory.mktemp("stopped"), CONFIG, run_id="run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_score", lambda row: row["epoch"])
        for asked in (8, 4):  # before each of the 5 batches, and once in each validation
            with pytest.raises(Stopped):
                train_on(paths, CONFIG, demo_root, stop_after=asked)
            if not (early := paths.root / "early.pt").exists():
                shutil.copy(paths.checkpoint, early)
    assert [HASH in row for row in read_rows(paths.epochs)[0]] == [True, True]
    write_status(paths, read_status(paths).model_copy(update={"state": "stopped"}))
    return paths


@pytest.fixture
def run(stopped: RunPaths, runs_root: Path) -> RunPaths:
    """A copy, to be broken."""
    shutil.copytree(stopped.folder, runs_root / "run")
    return RunPaths(runs_root, "run")


def results(paths: RunPaths) -> Files:
    """What a resume that is refused must leave alone."""
    names = ("epochs.jsonl", "steps.jsonl", "summary.json", "fer2013_model_2.pth", "predictions-validation.parquet")
    return {name: (paths.folder / name).read_bytes() for name in names if (paths.folder / name).exists()}


def test_a_run_from_a_zip_is_not_trained_over_from_the_start(
    stopped: RunPaths, runs_root: Path, demo_root: Path
) -> None:
    archive = io.BytesIO()
    write_zip(stopped, archive)
    zipfile.ZipFile(archive).extractall(runs_root)
    paths = RunPaths(runs_root, "run")
    before = results(paths)
    assert len(before) == 5
    assert not paths.checkpoint.exists()
    for attempt in (
        lambda: control.resume(runs_root, demo_root, "run"),
        lambda: train_on(paths, CONFIG, demo_root),  # as a worker whose run lost its checkpoint in the queue
    ):
        with pytest.raises(RunError, match=r"has no checkpoint\.pt: training would start over .* clone the run\."):
            attempt()
    assert results(paths) == before
    assert read_run(runs_root, "run").state is RunState.STOPPED


def test_recover_leaves_a_run_without_a_checkpoint_alone_and_says_how_to_go_on(run: RunPaths, demo_root: Path) -> None:
    run.checkpoint.unlink()
    write_status(run, read_status(run).model_copy(update={"state": "running"}))
    assert recovery.interrupted_runs(list_runs(run.root)) == []
    said = CliRunner().invoke(app, ["runs", "recover", "--runs-root", str(run.root), "--data-root", str(demo_root)])
    assert said.stdout == ("run: interrupted, but its checkpoint is missing. Clone it: python -m core runs clone run\n")
    assert read_run(run.root, "run").state is RunState.CRASHED


@pytest.mark.parametrize("kept", ["summary.json", "fer2013_model_2.pth", "predictions-validation.parquet"])
def test_any_one_result_is_enough_to_refuse(kept: str, run: RunPaths, demo_root: Path) -> None:
    for path in run.folder.iterdir():
        if path.name not in (kept, "config.json", "status.json", "meta.json"):
            path.unlink()
    before = results(run)
    with pytest.raises(RunError, match="clone the run"):
        train_on(run, CONFIG, demo_root)
    assert results(run) == before


def test_what_is_no_file_is_no_checkpoint(run: RunPaths, demo_root: Path) -> None:
    run.checkpoint.unlink()
    run.checkpoint.mkdir()
    with pytest.raises(RunError, match="is not a regular file"):
        control.resume(run.root, demo_root, "run")


def test_a_crash_before_the_first_checkpoint_starts_again(run: RunPaths, demo_root: Path) -> None:
    """The row of the first epoch is on disk before its checkpoint, and everything else after that."""
    first = run.epochs.read_bytes().split(b"\n")[0] + b"\n"
    for path in (run.checkpoint, run.summary, run.weights, run.predictions("validation")):
        path.unlink()
    run.epochs.write_bytes(first)
    train_on(run, CONFIG, demo_root)
    assert [row["epoch"] for row in read_rows(run.epochs)[0]] == [1, 2, 3]


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_checkpoint_from_a_backup_takes_no_later_epochs(
    epochs: int, stopped: RunPaths, run: RunPaths, demo_root: Path
) -> None:
    shutil.copy(stopped.root / "early.pt", run.checkpoint)
    if epochs == 2:  # one more, which was no best one and so has no weights
        with run.epochs.open("a") as file:
            file.write('{"epoch": 3, "step": 15, "validation_accuracy": 0.0}\n')
    before = results(run)
    with pytest.raises(RunError, match="is older than its metrics: resuming would discard"):
        train_on(run, CONFIG, demo_root)
    assert results(run) == before


def test_a_crash_costs_the_epochs_since_the_checkpoint_and_a_backup_none(
    stopped: RunPaths, run: RunPaths, demo_root: Path
) -> None:
    """After a crash there may be many epochs that no checkpoint counts; what tells a backup is that one once did."""
    with run.epochs.open("a") as file:
        for epoch in (3, 4):
            file.write(json.dumps({"epoch": epoch, "step": 5 * epoch, "validation_accuracy": 1.0}) + "\n")
    summary = read_json(run.summary)
    assert summary["checkpoint_step"] <= 10, "it is from before the stop, whose checkpoint counts 10 steps"
    require_newest(run, 10)
    write_json(run.summary, summary | {"checkpoint_step": 15})
    with pytest.raises(RunError, match="is older than its metrics: resuming would discard 2 epochs"):
        train_on(run, CONFIG, demo_root)
    del summary["checkpoint_step"]  # as older versions, which missed at most one epoch
    write_json(run.summary, summary)
    with pytest.raises(RunError, match="would discard 2 epochs"):
        train_on(run, CONFIG, demo_root)


def test_weights_that_are_not_of_the_run_stay(run: RunPaths, demo_root: Path) -> None:
    """Also where the checkpoint could write those it misses: what lies there may be better."""
    run.weights.write_bytes(b"somebody's best")
    before = results(run)
    with pytest.raises(RunError, match=r"is not the file that epoch \d wrote"):
        train_on(run, CONFIG, demo_root)
    assert results(run)["fer2013_model_2.pth"] == before["fer2013_model_2.pth"]
