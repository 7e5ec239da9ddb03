"""Weights, validation predictions and summary are of one epoch after any crash, and each tells which."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from core import files
from core.__main__ import app
from core.config import TrainConfig
from core.data.dataset import load_split
from core.errors import RunError
from core.evaluation.inference import class_probabilities
from core.evaluation.metrics import log_loss
from core.evaluation.predictions import PROBABILITY_COLUMNS, probabilities_of, read_origin, read_predictions
from core.files import read_json
from core.models.state_dict import load_weights
from core.runs.best import describe_mismatch, weights_origin
from core.runs.create import create_run, write_status
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.reader import read_status
from core.training import loop
from core.training.checkpointer import Checkpointer
from core.training.loop import Stopped
from tests.core.training.test_loop import TINY, assert_bit_equal, train_on, weights_of

CONFIG = TrainConfig(**TINY, precision="float32", learning_rate=0.01)  # so that figures can be compared to the digit
FILES = ("checkpoint.pt", "fer2013_model_2.pth", "predictions-validation.parquet", "summary.json")


class Crash(BaseException):
    """As a power cut: nothing catches it."""


def save_after_epochs(patch: pytest.MonkeyPatch) -> None:
    """Have a checkpoint written when an epoch ends, and at no other time; the steps wait for the thread that writes, so
    that nothing of the epoch before is still to be written when one ends."""

    def due(self: Checkpointer) -> bool:
        self._writer.wait()
        return self._progress.batch == 0

    patch.setattr(Checkpointer, "due", property(due))


def crash_at(victim: str, paths: RunPaths, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train until epoch 2, better than the first, is over and this file would be replaced."""
    replace, scored = files.os.replace, []

    def score(row: dict[str, Any]) -> float:
        scored.append(row["epoch"])
        return {1: 0.5, 2: 0.9}.get(row["epoch"], 0.0)

    def crash(source: str, target: Path) -> None:
        if 2 in scored and Path(target).name == victim:
            raise Crash
        replace(source, target)

    with monkeypatch.context() as patch:
        save_after_epochs(patch)
        patch.setattr(loop, "_score", score)
        patch.setattr(files.os, "replace", crash)
        with pytest.raises(Crash):
            train_on(paths, CONFIG, data_root)


def resume_on_a_gpu(paths: RunPaths, data_root: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    """Resume where steps that are done again come out otherwise, so that epoch 2 is not the best this time."""
    step_seed = loop.step_seed
    with monkeypatch.context() as patch:
        patch.setattr(loop, "step_seed", lambda seed, step: step_seed(seed + 1, step))
        patch.setattr(loop, "_score", lambda row: {1: 0.5, 2: 0.4, 3: 0.3}[row["epoch"]])
        train_on(paths, CONFIG, data_root, **more)


def validation_loss(paths: RunPaths, data_root: Path) -> float:
    """What the weights file really is worth."""
    split = load_split(data_root, "demo", "validation")
    values = class_probabilities(load_weights(paths.weights, CONFIG.model), torch.tensor(split.images))
    return log_loss(split.labels, values.numpy())


def assert_of_one_epoch(paths: RunPaths, data_root: Path) -> None:
    best = read_json(paths.summary)["best"]
    assert validation_loss(paths, data_root) == pytest.approx(best["validation_loss"], abs=2e-5)
    table = read_predictions(paths.predictions("validation"))
    kept = log_loss(table["label"].to_numpy(), probabilities_of(table))
    assert kept == pytest.approx(best["validation_loss"], abs=2e-5)
    assert best in read_rows(paths.epochs)[0]
    assert weights_origin(paths)["epoch"] == best["epoch"]
    assert describe_mismatch(paths) is None


@pytest.mark.parametrize("victim", FILES)
def test_after_a_crash_and_a_resume_they_are_of_one_epoch(
    victim: str, tmp_path: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = create_run(tmp_path, CONFIG, run_id="run")
    crash_at(victim, paths, demo_root, monkeypatch)
    recorded = [row["epoch"] for row in read_rows(paths.epochs)[0]]
    assert weights_origin(paths)["epoch"] in recorded, "no weights without a row, not even now"
    with pytest.raises(Stopped):
        resume_on_a_gpu(paths, demo_root, monkeypatch, stop_after=1)
    assert_of_one_epoch(paths, demo_root)
    resume_on_a_gpu(paths, demo_root, monkeypatch)
    assert [row["epoch"] for row in read_rows(paths.epochs)[0]] == [1, 2, 3]
    assert_of_one_epoch(paths, demo_root)


@pytest.mark.parametrize(("victim", "weights", "predictions"), [(FILES[1], 1, 1), (FILES[2], 2, 1), (FILES[3], 2, 2)])
def test_without_a_resume_each_file_tells_its_epoch(
    victim: str, weights: int, predictions: int, tmp_path: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = create_run(tmp_path, CONFIG, run_id="run")
    crash_at(victim, paths, demo_root, monkeypatch)
    origin = weights_origin(paths)
    assert origin == {"epoch": weights, "weights_sha256": hashlib.sha256(paths.weights.read_bytes()).hexdigest()}
    assert read_origin(paths.predictions("validation"))["epoch"] == predictions
    assert read_json(paths.summary)["best"]["epoch"] == 1
    said = describe_mismatch(paths)
    if weights == 1:
        assert said is None
    else:
        assert said and said.startswith(
            f"Weights (epoch {weights}), validation predictions (epoch {predictions}) and summary (epoch 1) are from "
            "different epochs. Resume the run"
        )
        write_status(paths, read_status(paths).model_copy(update={"state": "failed", "error": "The disk is full."}))
        assert said in CliRunner().invoke(app, ["runs", "show", "run", "--runs-root", str(tmp_path)]).stdout


def test_weights_that_only_the_checkpoint_holds_are_restored(
    tmp_path: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop within epoch 3, when epoch 2 is the best, and a crash before its weights are written."""
    whole, paths = (create_run(tmp_path / name, CONFIG, run_id="run") for name in ("whole", "crashed"))
    monkeypatch.setattr(loop, "_score", lambda row: {1: 0.5, 2: 0.9, 3: 0.1}[row["epoch"]])
    train_on(whole, CONFIG, demo_root)
    replace, weights = files.os.replace, iter((True, False))

    def crash(source: str, target: Path) -> None:
        if Path(target) == paths.weights and not next(weights):
            raise Crash
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", crash)
        with pytest.raises(Crash):
            train_on(paths, CONFIG, demo_root, stop_after=14)  # 5 batches and a validation make an epoch
    assert weights_origin(paths)["epoch"] == 1
    progress = torch.load(paths.checkpoint, weights_only=True)["progress"]
    assert (progress["epoch"], progress["batch"], progress["best"]["epoch"]) == (2, 2, 2)
    train_on(paths, CONFIG, demo_root)
    assert_of_one_epoch(paths, demo_root)
    assert_bit_equal(whole, paths)


def test_weights_that_somebody_replaced_are_not_trained_over(tmp_path: Path, demo_root: Path) -> None:
    paths = create_run(tmp_path, CONFIG, run_id="run")
    with pytest.raises(Stopped):
        train_on(paths, CONFIG, demo_root, stop_after=9)  # after an epoch, and some batches of the next
    whole, rows = paths.weights.read_bytes(), read_rows(paths.epochs)[0]
    torch.save({name: value + 1 for name, value in weights_of(paths).items()}, paths.weights)
    assert weights_origin(paths)["epoch"] is None
    with pytest.raises(RunError, match=r"not the file that epoch 1 wrote. Restore it from a backup, or clone the run"):
        train_on(paths, CONFIG, demo_root)
    paths.weights.unlink()
    with pytest.raises(RunError, match="is missing"):
        train_on(paths, CONFIG, demo_root)
    assert weights_origin(paths) == {}
    paths.weights.write_bytes(whole)
    train_on(paths, CONFIG, demo_root)
    assert read_rows(paths.epochs)[0][: len(rows)] == rows


def test_the_final_predictions_name_their_weights(tmp_path: Path, demo_root: Path) -> None:
    paths = create_run(tmp_path, CONFIG, run_id="run")
    train_on(paths, CONFIG, demo_root)
    origin = weights_origin(paths)
    assert origin["epoch"] == read_json(paths.summary)["best"]["epoch"]
    for split in ("validation", "test"):
        assert read_origin(paths.predictions(split)) == origin


def test_folders_of_older_versions_stay_readable(tmp_path: Path, demo_root: Path) -> None:
    """They have no hashes: the summary says which epoch the weights are of, and a resume changes nothing of it."""
    whole, paths = (create_run(tmp_path / name, CONFIG, run_id="run") for name in ("whole", "old"))
    train_on(whole, CONFIG, demo_root)
    with pytest.raises(Stopped):
        train_on(paths, CONFIG, demo_root, stop_after=9)
    state = torch.load(paths.checkpoint, weights_only=True)
    del state["best"]
    for row in (state["progress"]["best"], state["progress"]["last"]):
        row.pop("weights_sha256", None)
    torch.save(state, paths.checkpoint)
    files.write_json(paths.summary, {"best": state["progress"]["best"], "last": state["progress"]["last"]})
    paths.epochs.write_text(paths.epochs.read_text().replace("weights_sha256", "ignored"))
    old = paths.predictions("validation")
    frame = read_predictions(old)[["image_id", "label", *PROBABILITY_COLUMNS, "loss"]]
    frame.attrs = {}
    frame.to_parquet(old, index=False)
    assert weights_origin(paths)["epoch"] == 1 and read_origin(old) == {} and describe_mismatch(paths) is None
    train_on(paths, CONFIG, demo_root)
    assert all(torch.equal(value, weights_of(whole)[name]) for name, value in weights_of(paths).items())
    assert np.array_equal(*(probabilities_of(read_predictions(run.predictions("test"))) for run in (whole, paths)))
