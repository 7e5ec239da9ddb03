"""Distillation: the loss recomputed by hand, what teachers are shown, and that a resume needs nothing else of them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.config import TrainConfig
from core.data.dataset import load_split, read_identity
from core.data.folds import held_out
from core.errors import RunError
from core.evaluation.predictions import write_predictions
from core.models.cnn import build_model
from core.runs.create import create_run
from core.runs.paths import RunPaths
from core.runs.reader import read_config
from core.runs.teachers import choose_teaching, teaching_of
from core.splits import HELD_OUT
from core.training.compute import choose_compute
from core.training.loop import Stopped
from core.training.teachers import Teachers, distillation_loss, initial_model, load_teachers
from core.training.train_data import load_data
from tests.core.training.test_loop import EVERYTHING, TINY, assert_bit_equal, train_on
from tests.core.training.test_step import CPU, Trainer, same

STUDENT: dict[str, Any] = {**EVERYTHING, "epochs": 2, "distillation_temperature": 3.0, "distillation_weight": 0.8}


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def by_hand(student: np.ndarray, taught: np.ndarray, temperature: float) -> float:
    said = softmax(student / temperature)
    return float(temperature**2 * (taught * (np.log(taught) - np.log(said))).sum(axis=1).mean())


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_loss_is_the_divergence_times_the_temperature_squared(temperature: float) -> None:
    chance = np.random.default_rng(0)
    student, taught = chance.normal(0, 3, (16, 7)), softmax(chance.normal(0, 1, (16, 7)))
    logits = torch.tensor(student, requires_grad=True)
    loss = distillation_loss(logits, torch.tensor(taught), temperature)
    assert loss.item() == pytest.approx(by_hand(student, taught, temperature), rel=1e-9)
    loss.backward()
    assert logits.grad is not None
    # each derivative of the divergence has a factor 1/T, so one T of T² is left
    expected = temperature * (softmax(student / temperature) - taught) / 16
    assert np.allclose(logits.grad.numpy(), expected, rtol=1e-9)


def test_a_student_that_says_what_it_is_taught_loses_nothing() -> None:
    logits = torch.randn(8, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    taught = (logits / 4).softmax(dim=1)
    assert distillation_loss(logits, taught, 4.0).item() == pytest.approx(0, abs=1e-12)
    certain = torch.eye(7, dtype=torch.float64)  # a probability of 0 has no logarithm
    assert torch.isfinite(distillation_loss(logits[:7], certain, 4.0))


def test_several_teachers_are_averaged_and_have_neither_dropout_nor_gradients() -> None:
    torch.manual_seed(0)
    models, x = [build_model("cnn-model-1").train() for _ in range(2)], torch.rand(4, 1, 48, 48)
    teachers = Teachers(models, 2.0, CPU)
    said = teachers(x)
    assert not said.requires_grad and torch.equal(said, teachers(x))
    expected = np.mean([softmax(model(x).detach().numpy() / 2) for model in models], axis=0)
    assert np.allclose(said.numpy(), expected, atol=1e-6)


def listen(model: nn.Module, inputs: list[Tensor], logits: list[Tensor]) -> None:
    def note(_: nn.Module, x: tuple[Tensor, ...], y: Tensor) -> None:
        inputs.append(x[0].clone())
        logits.append(y.detach().clone())

    model.register_forward_hook(note)


def test_teachers_see_the_augmented_and_blended_images_of_the_student_and_both_losses_are_weighted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = Trainer({**STUDENT, "teachers": ("one", "two"), "asam_rho": 0.0, "label_smoothing": 0.0}, None)
    assert trainer.teachers
    seen: list[list[Tensor]] = [[], [], []]
    said: list[list[Tensor]] = [[], [], []]
    targets: list[Tensor] = []
    for at, model in enumerate([trainer.model, *trainer.teachers._models]):
        listen(model, seen[at], said[at])
    batch = trainer.step._batch

    def noted() -> tuple[Tensor, Tensor, Tensor]:
        found = batch()
        targets.append(found[1])
        return found

    monkeypatch.setattr(trainer.step, "_batch", noted)
    result = trainer.step(trainer.orders[0], trainer.values[0], seed=5)

    assert torch.equal(seen[0][0], seen[1][0]) and torch.equal(seen[0][0], seen[2][0])
    student, *others = (each[0].double().numpy() for each in said)
    taught = np.mean([softmax(logits / 3) for logits in others], axis=0)
    blended = targets[0].double().numpy()
    assert ((blended > 0) & (blended < 1)).any(), "mixup"
    hard = -(blended * np.log(softmax(student))).sum(axis=1).mean()
    assert result[0].item() == pytest.approx(0.2 * hard + 0.8 * by_hand(student, taught, 3.0), rel=1e-4)


def test_soft_labels_are_blended_into_the_labels() -> None:
    trainer = Trainer({**TINY, "soft_labels": ("fold",), "soft_label_weight": 0.25, "flip": False}, None)
    soft = torch.rand(32, 7).softmax(dim=1)
    trainer.step._data = replace(trainer.data, soft_labels=soft)
    said: list[Tensor] = []
    listen(trainer.model, [], said)
    result = trainer.step(trainer.orders[0], trainer.values[0], seed=5)
    one_hot = np.eye(7)[trainer.data.labels[trainer.orders[0]].numpy()]
    target = 0.75 * one_hot + 0.25 * soft[trainer.orders[0]].double().numpy()
    loss = -(target * np.log(softmax(said[0].double().numpy()))).sum(axis=1).mean()
    assert result[0].item() == pytest.approx(loss, rel=1e-5)


# --- in a run


def teach(root: Path, data_root: Path, run_id: str, **settings: Any) -> RunPaths:
    """A finished run whose weights were never trained, with predictions of the fold that it held out."""
    config = TrainConfig(**TINY | settings)
    paths = create_run(root, config, run_id=run_id)
    torch.manual_seed(len(run_id))
    torch.save(build_model(config.model).state_dict(), paths.weights)
    data, train = read_identity(data_root, config.dataset), load_split(data_root, config.dataset, "train")
    summary = {"dataset_fingerprint": data.content, "dataset_ordered_fingerprint": data.ordered}
    paths.summary.write_text(json.dumps(summary))
    paths.status.write_text(json.dumps(json.loads(paths.status.read_text()) | {"state": "finished"}))
    if config.hold_out:
        fold = held_out(train, config.hold_out)
        values = softmax(np.random.default_rng(len(run_id)).normal(0, 1, (int(fold.sum()), 7)))
        write_predictions(paths.predictions(HELD_OUT), train.ids[fold], train.labels[fold], values)
    return paths


@pytest.fixture
def root(tmp_path: Path, demo_root: Path) -> Path:
    """Runs to learn from: `teacher`, `fold-1` and `fold-two`."""
    runs = tmp_path / "runs"
    teach(runs, demo_root, "teacher")
    teach(runs, demo_root, "fold-1", hold_out="1/2")
    teach(runs, demo_root, "fold-two", hold_out="2/2")
    return runs


def student(root: Path, data_root: Path, run_id: str) -> RunPaths:
    config = TrainConfig(**STUDENT, teachers=["teacher"], soft_labels=["fold-1", "fold-two"])
    return create_run(root, config, run_id=run_id, teaching=choose_teaching(root, data_root, config))


def test_a_student_that_stops_and_resumes_is_bit_equal_to_one_that_never_stopped(root: Path, demo_root: Path) -> None:
    whole, parts = (student(root, demo_root, name) for name in ("whole", "parts"))
    config = read_config(whole)
    train_on(whole, config, demo_root)
    for stop_after in (3, 4):
        with pytest.raises(Stopped):
            train_on(parts, config, demo_root, stop_after)
    train_on(parts, config, demo_root)
    assert_bit_equal(whole, parts)

    alone = create_run(root, TrainConfig(**STUDENT), run_id="alone")
    train_on(alone, TrainConfig(**STUDENT), demo_root)
    first, second = (build_model("cnn-model-1") for _ in range(2))
    for model, paths in ((first, whole), (second, alone)):
        model.load_state_dict(torch.load(paths.weights, weights_only=True))
    assert not same(first, second), "it did learn something else"


def test_a_student_is_not_trained_on_with_other_weights_of_its_teacher(root: Path, demo_root: Path) -> None:
    paths = student(root, demo_root, "student")
    config = read_config(paths)
    with pytest.raises(Stopped):
        train_on(paths, config, demo_root, stop_after=3)
    kept = paths.checkpoint.read_bytes()
    torch.save(build_model("cnn-model-1").state_dict(), RunPaths(root, "teacher").weights)
    with pytest.raises(RunError, match=r"^Teacher teacher has other weights now than when the run was started\."):
        train_on(paths, config, demo_root)
    assert paths.checkpoint.read_bytes() == kept


def fine_tuned(root: Path, data_root: Path, run_id: str, *sources: str, **settings: Any) -> RunPaths:
    config = TrainConfig(**EVERYTHING | settings, initial_weights=sources or ["teacher"])
    return create_run(root, config, run_id=run_id, teaching=choose_teaching(root, data_root, config))


def test_a_run_starts_from_the_best_weights_of_another(root: Path, demo_root: Path) -> None:
    paths = fine_tuned(root, demo_root, "start", epochs=1, learning_rate=1e-10, muon_learning_rate=1e-10)
    train_on(paths, read_config(paths), demo_root)
    old, new = (torch.load(each.weights, weights_only=True) for each in (RunPaths(root, "teacher"), paths))
    for name in (key for key in old if key.endswith(("weight", "bias"))):
        assert torch.allclose(old[name], new[name], atol=1e-6), "its steps are too small to be seen"


def test_a_run_starts_from_the_mean_of_the_best_weights_of_several(root: Path, demo_root: Path) -> None:
    one, other = RunPaths(root, "teacher"), teach(root, demo_root, "other")
    paths = fine_tuned(root, demo_root, "mean", "teacher", "other")
    teaching = teaching_of(paths, read_config(paths))
    first, second = (torch.load(each.weights, weights_only=True) for each in (one, other))
    for name, value in initial_model(paths, teaching, "cnn-model-1").state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (first[name] + second[name]) / 2)
    only = fine_tuned(root, demo_root, "only", "other")
    for name, value in initial_model(only, teaching_of(only, read_config(only)), "cnn-model-1").state_dict().items():
        assert torch.equal(value, second[name]), "of one, its own"


def test_a_fine_tuned_run_resumes_bit_equal_without_the_run_it_started_from(root: Path, demo_root: Path) -> None:
    whole, parts, late = (fine_tuned(root, demo_root, name) for name in ("whole", "parts", "late"))
    config = read_config(whole)
    train_on(whole, config, demo_root)
    with pytest.raises(Stopped):
        train_on(parts, config, demo_root, stop_after=4)
    shutil.rmtree(root / "teacher")
    train_on(parts, config, demo_root)
    assert_bit_equal(whole, parts)
    with pytest.raises(RunError, match=r"^Pretrained run teacher was deleted, or its weights were\."):
        train_on(late, config, demo_root)


def test_weights_to_start_from_that_are_no_weights_are_named(root: Path, demo_root: Path) -> None:
    RunPaths(root, "teacher").weights.write_bytes(b"not weights")
    paths = fine_tuned(root, demo_root, "student")
    with pytest.raises(RunError, match=r"^Pretrained run teacher: fer2013_model_2.pth is corrupt"):
        train_on(paths, read_config(paths), demo_root)


def test_a_teacher_of_which_the_weights_are_no_weights_is_named(root: Path, demo_root: Path) -> None:
    RunPaths(root, "teacher").weights.write_bytes(b"not weights")
    paths = student(root, demo_root, "student")
    teaching = choose_teaching(root, demo_root, read_config(paths))
    with pytest.raises(RunError, match=r"^Teacher teacher: fer2013_model_2.pth is corrupt"):
        load_teachers(root, teaching, 1.0, CPU)
    assert load_teachers(root, None, 1.0, CPU) is None


def test_settings_that_name_folds_are_not_trained_without_their_soft_labels(root: Path, demo_root: Path) -> None:
    config = TrainConfig(**TINY, soft_labels=["fold-1"])
    with pytest.raises(RunError, match=r"^168 training images have no soft label"):
        load_data(config, demo_root, choose_compute(config))
