"""The engine on a small drawn set: same seed, stop and resume, a loss that explodes, the files it leaves."""

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.config import TrainConfig
from core.errors import DataError, RunError, TrainingError
from core.evaluation.predictions import read_predictions
from core.runs.create import create_run
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.records import RunStatus
from core.training import recorder
from core.training.compute import choose_compute
from core.training.loop import Stopped, train
from core.training.reporter import StatusReporter

TINY: dict[str, Any] = {
    "model": "cnn-model-1",
    "dataset": "demo",
    "epochs": 3,
    "batch_size": 16,
    "images_per_epoch": 80,
    "device": "cpu",
    "threads": 1,
    "seed": 7,
}
OLDER: dict[str, Any] = {
    **TINY,
    "optimizer": "muon",
    "schedule": "linear",
    "warmup_fraction": 0.2,
    "ema_decay": 0.9,
    "mixup_alpha": 0.2,
    "label_smoothing": 0.1,
    "gradient_clip": 2.0,
    "shift": 0.1,
    "zoom": 0.1,
    "brightness": 0.2,
    "contrast": 0.2,
    "erasing": 0.5,
    "fade_epochs": 2,
}
"""What versions before `muon_steps` could set."""
EVERYTHING: dict[str, Any] = {
    **OLDER,
    "muon_steps": 5,
    "asam_rho": 0.5,
    "batch_norm_images": 40,
    "mixup_probability": 0.5,
    "flip_mode": "alternating",
    "padding": "border",
    "shift_probability": 0.5,
    "contrast_probability": 0.5,
    "blur": 1.0,
    "blur_probability": 0.5,
    "sharpness": 0.5,
    "noise": 0.05,
    "jpeg_quality": 40,
    "jpeg_probability": 0.5,
}
STEPS = 3 * 5


def run_training(root: Path, data_root: Path, settings: dict[str, Any], stop_after: int | None = None) -> RunPaths:
    """Train in this process; with `stop_after`, ask to stop once so many batches are done since the start."""
    config = TrainConfig(**settings)
    paths = create_run(root, config, run_id="run")
    train_on(paths, config, data_root, stop_after)
    return paths


def train_on(paths: RunPaths, config: TrainConfig, data_root: Path, stop_after: int | None = None) -> None:
    asked = iter(range(10**9))
    reporter = StatusReporter(paths, RunStatus(created_at=datetime.now(UTC), epochs=config.epochs))

    def stop() -> bool:
        return stop_after is not None and next(asked) >= stop_after

    train(paths, config, None, data_root, choose_compute(config), reporter, stop)


def weights_of(paths: RunPaths) -> dict[str, torch.Tensor]:
    return torch.load(paths.weights, weights_only=True)


def assert_bit_equal(a: RunPaths, b: RunPaths) -> None:
    for file in ("checkpoint", "weights"):
        first, second = (torch.load(getattr(paths, file), weights_only=True) for paths in (a, b))
        for state in (first, second):
            state.pop("progress", None)  # holds the elapsed time
            state.pop("best", None)  # depends on whether their file was written by then
        _assert_same(first, second)
    for file in ("steps", "epochs"):
        first_rows, second_rows = (read_rows(getattr(paths, file))[0] for paths in (a, b))
        timeless = [
            [{k: v for k, v in row.items() if k not in ("elapsed_s", "seconds", "images_per_second")} for row in rows]
            for rows in (first_rows, second_rows)
        ]
        assert timeless[0] == timeless[1]


def _assert_same(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            _assert_same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            _assert_same(x, y)
    else:
        assert a == b


def test_an_epoch_has_one_validation_accuracy_whatever_the_precision_of_training(
    tmp_path: Path, demo_root: Path
) -> None:
    paths = run_training(tmp_path, demo_root, {**TINY, "precision": "bfloat16"})
    summary = json.loads(paths.summary.read_text())
    best, evaluated = summary["best"], summary["evaluation"]["validation"]
    assert best["validation_loss"] == round(evaluated["log_loss"], 5)
    assert best["validation_accuracy"] == round(evaluated["accuracy"], 5)
    assert best in read_rows(paths.epochs)[0], "the curve shows the same"


def test_same_seed_twice_is_bit_equal(tmp_path: Path, demo_root: Path) -> None:
    first = run_training(tmp_path / "a", demo_root, EVERYTHING)
    second = run_training(tmp_path / "b", demo_root, EVERYTHING)
    assert_bit_equal(first, second)


def test_another_seed_is_not(tmp_path: Path, demo_root: Path) -> None:
    first = run_training(tmp_path / "a", demo_root, TINY)
    second = run_training(tmp_path / "b", demo_root, {**TINY, "seed": 8})
    assert not torch.equal(weights_of(first)["classifier.6.weight"], weights_of(second)["classifier.6.weight"])


@pytest.mark.parametrize("settings", [EVERYTHING, TINY, {**TINY, "optimizer": "sgd"}, {**TINY, "optimizer": "adamw"}])
def test_stop_and_resume_is_bit_equal_to_never_stopping(
    tmp_path: Path, demo_root: Path, settings: dict[str, Any]
) -> None:
    whole = run_training(tmp_path / "whole", demo_root, settings)
    seed = random.randrange(2**32)
    print(f"stops drawn with seed {seed}")
    draw = random.Random(seed)
    config = TrainConfig(**settings)
    # Five stops in each of the four recipes, twenty in all; after the last one it runs to its end.
    paths = create_run(tmp_path / "parts", config, run_id="run")
    for stop_after in [*(draw.randrange(1, 4) for _ in range(4)), 0, None]:
        try:
            train_on(paths, config, demo_root, stop_after)
        except Stopped:
            assert paths.checkpoint.exists()
    assert_bit_equal(whole, paths)
    steps = [row["step"] for row in read_rows(paths.steps)[0]]
    assert steps == list(range(1, STEPS + 1))


def test_rows_newer_than_the_checkpoint_are_done_again_once(tmp_path: Path, demo_root: Path) -> None:
    """As after a kill: the history is ahead of the checkpoint."""
    whole = run_training(tmp_path / "whole", demo_root, TINY)
    config = TrainConfig(**TINY)
    paths = create_run(tmp_path / "killed", config, run_id="run")
    with pytest.raises(Stopped):
        train_on(paths, config, demo_root, stop_after=7)
    with paths.steps.open("a") as file:
        file.write('{"step": 8, "epoch": 2, "loss": 99}\n{"step": 9, "epo')
    train_on(paths, config, demo_root)
    assert_bit_equal(whole, paths)


def test_rows_are_safe_from_a_power_cut_before_a_checkpoint_counts_them(
    tmp_path: Path, demo_root: Path, synced: list[str]
) -> None:
    run_training(tmp_path, demo_root, TINY | {"epochs": 1})
    first = next(index for index, name in enumerate(synced) if name.startswith(".tmp-checkpoint.pt"))
    assert {"steps.jsonl", "epochs.jsonl"} <= set(synced[:first])


def test_a_crash_between_the_last_batch_and_the_validation_is_resumed(
    tmp_path: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_training(tmp_path / "whole", demo_root, TINY)
    config = TrainConfig(**TINY)
    paths = create_run(tmp_path / "killed", config, run_id="run")
    with monkeypatch.context() as patch:
        patch.setattr("core.training.loop.class_probabilities", lambda *a, **k: 1 / 0)
        always_saving = config.model_copy(update={"checkpoint_seconds": -1})
        with pytest.raises(ZeroDivisionError):
            train_on(paths, always_saving, demo_root)
    train_on(paths, config, demo_root)
    assert_bit_equal(whole, paths)


def test_a_stop_while_batch_norm_statistics_are_computed_is_resumed(
    tmp_path: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**EVERYTHING, "batch_norm_images": 600}
    whole = run_training(tmp_path / "whole", demo_root, settings)
    config = TrainConfig(**settings)
    paths = create_run(tmp_path / "parts", config, run_id="run")
    with monkeypatch.context() as patch:

        def interrupted(model: torch.nn.Module, *_: Any) -> None:
            for value in model.buffers():
                value.zero_()
            raise InterruptedError

        patch.setattr("core.training.loop.compute_statistics", interrupted)
        with pytest.raises(Stopped):
            train_on(paths, config, demo_root)
    train_on(paths, config, demo_root)
    assert_bit_equal(whole, paths)


def test_a_loss_that_explodes_fails_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrainConfig(**{**TINY, "optimizer": "sgd"})
    paths = create_run(tmp_path, config, run_id="run")
    with pytest.raises(Stopped):
        train_on(paths, config, demo_root, stop_after=7)
    good = paths.checkpoint.read_bytes()
    real = torch.nn.functional.cross_entropy
    monkeypatch.setattr("core.training.step.F.cross_entropy", lambda *a, **k: real(*a, **k) * float("nan"))
    with pytest.raises(TrainingError, match=r"Training loss is NaN \(epoch 2, step 7\)\. Try a lower learning rate"):
        train_on(paths, config, demo_root)
    assert paths.checkpoint.read_bytes() == good


def test_a_run_that_diverges_in_the_last_step_of_an_epoch_says_so_and_keeps_nothing_of_it(
    tmp_path: Path, demo_root: Path
) -> None:
    """Each loss is finite until a step has ruined the weights; with one step per epoch only validation sees that."""
    diverging = {"optimizer": "sgd", "learning_rate": 10.0, "images_per_epoch": TINY["batch_size"], "epochs": 50}
    config = TrainConfig(**TINY | diverging)
    paths = create_run(tmp_path, config, run_id="run")
    said = r"^Validation loss is NaN \(epoch (\d+), step \1\)\. Try a lower learning rate"
    for _ in ("first", "resumed"):
        with pytest.raises(TrainingError, match=said):
            train_on(paths, config, demo_root)
        assert all(value.isfinite().all() for value in weights_of(paths).values())
        predictions = read_predictions(paths.predictions("validation"))
        assert np.isfinite(predictions["confidence"]).all()
    assert read_rows(paths.epochs)[0], "it diverged in the first epoch: nothing was resumed"


def test_a_loss_read_late_is_still_found_before_a_checkpoint(
    tmp_path: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, where losses are read in groups."""
    monkeypatch.setattr(recorder, "STEPS_PER_READ_ON_GPU", 4)
    real_init = recorder.Recorder.__init__

    def grouped(self: recorder.Recorder, *arguments: Any) -> None:
        real_init(self, *arguments)
        self._group = 4

    monkeypatch.setattr(recorder.Recorder, "__init__", grouped)
    grouped_run = run_training(tmp_path / "grouped", demo_root, TINY)
    assert len(read_rows(grouped_run.steps)[0]) == STEPS
    config = TrainConfig(**{**TINY, "optimizer": "sgd", "learning_rate": 10.0, "gradient_clip": 0.0, "epochs": 200})
    paths = create_run(tmp_path, config, run_id="bad")
    real = torch.nn.functional.cross_entropy
    monkeypatch.setattr("core.training.step.F.cross_entropy", lambda *a, **k: real(*a, **k) * float("inf"))
    with pytest.raises(TrainingError, match=r"infinite \(epoch 1, step 1\)"):
        train_on(paths, config, demo_root, stop_after=2)
    assert not paths.checkpoint.exists()


def test_what_a_finished_run_leaves(tmp_path: Path, demo_root: Path) -> None:
    paths = run_training(tmp_path, demo_root, TINY)
    epochs, _ = read_rows(paths.epochs)
    assert [row["epoch"] for row in epochs] == [1, 2, 3]
    assert [row["step"] for row in epochs] == [5, 10, 15]
    summary = json.loads(paths.summary.read_text())
    assert summary["epochs_done"] == 3
    assert summary["best"] == max(epochs, key=lambda row: row["validation_accuracy"])
    evaluation = summary["evaluation"]
    assert evaluation["validation"]["images"] == evaluation["test"]["images"] == 42
    assert evaluation["original-test"]["images"] == 84
    for split in ("validation", "test"):
        frame = read_predictions(paths.predictions(split))
        assert int(frame["correct"].sum()) == evaluation[split]["correct"]
        assert np.allclose(frame[[f"p_{name}" for name in evaluation[split]["per_class"]]].sum(axis=1), 1, atol=1e-5)
    state = weights_of(paths)
    assert all(value.is_contiguous() and value.device.type == "cpu" for value in state.values())


def test_early_stopping_ends_the_run_and_a_resume_does_not_go_on(tmp_path: Path, demo_root: Path) -> None:
    settings = {**TINY, "epochs": 50, "early_stopping": 1, "optimizer": "sgd", "learning_rate": 1e-9}
    paths = run_training(tmp_path, demo_root, settings)
    epochs = read_rows(paths.epochs)[0]
    assert len(epochs) < 50
    train_on(paths, TrainConfig(**settings), demo_root)
    assert read_rows(paths.epochs)[0] == epochs


def test_other_data_under_the_same_name_are_refused(tmp_path: Path, demo_root: Path) -> None:
    from core.data.importers.demo import import_demo

    config = TrainConfig(**TINY)
    paths = create_run(tmp_path / "runs", config, run_id="run")
    with pytest.raises(Stopped):
        train_on(paths, config, demo_root, stop_after=2)
    import_demo(tmp_path / "data", seed=5, train_per_class=24, validation_per_class=6, test_per_class=6)
    with pytest.raises(RunError, match="other data"):
        train_on(paths, config, tmp_path / "data")


def test_a_missing_data_set_is_named(tmp_path: Path) -> None:
    config = TrainConfig(**TINY)
    with pytest.raises(DataError, match="'demo' is not imported"):
        train_on(create_run(tmp_path, config, run_id="run"), config, tmp_path / "nothing")


def test_a_damaged_checkpoint_is_refused_rather_than_trained_over(tmp_path: Path, demo_root: Path) -> None:
    config = TrainConfig(**TINY)
    paths = create_run(tmp_path, config, run_id="run")
    with pytest.raises(Stopped):
        train_on(paths, config, demo_root, stop_after=2)
    whole = paths.checkpoint.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        paths.checkpoint.write_bytes(whole[:length])
        with pytest.raises(RunError, match=r"checkpoint\.pt is corrupt"):
            train_on(paths, config, demo_root)


@pytest.mark.gpu
def test_training_on_a_gpu_goes_on_where_it_was_stopped(tmp_path: Path, demo_root: Path) -> None:
    config = TrainConfig(**{**EVERYTHING, "device": "cuda", "epochs": 6})
    paths = create_run(tmp_path, config, run_id="run")
    with pytest.raises(Stopped):
        train_on(paths, config, demo_root, stop_after=8)
    train_on(paths, config, demo_root)
    assert [row["step"] for row in read_rows(paths.steps)[0]] == list(range(1, 31))


@pytest.mark.gpu
def test_two_deterministic_runs_on_a_gpu_are_bit_equal(tmp_path: Path, demo_root: Path) -> None:
    settings = {**EVERYTHING, "device": "cuda", "deterministic": True}
    whole, again = (run_training(tmp_path / name, demo_root, settings) for name in ("a", "b"))
    assert_bit_equal(whole, again)
    config = TrainConfig(**settings)
    paths = create_run(tmp_path / "parts", config, run_id="run")
    with pytest.raises(Stopped):
        train_on(paths, config, demo_root, stop_after=8)
    train_on(paths, config, demo_root)
    assert_bit_equal(whole, paths)
