"""The one fake of `summary.json`, and of the rows it holds: with every field of a real run's."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.evaluation.metrics import evaluate_predictions
from core.labels import NUM_CLASSES
from core.splits import ORIGINAL_TEST

Scored = tuple[np.ndarray, np.ndarray]
"""(N,) labels and (N, 7) probabilities."""


def epoch_row(epoch: int = 1, accuracy: float = 0.5, *, steps: int = 80, seconds: float = 72.0, **more: Any) -> dict:
    """A row of `epochs.jsonl`.

    Args:
        epoch: from 1.
        accuracy: on validation, 0..1.
        steps: per epoch.
        seconds: per epoch.
        more: other values for its fields.
    """
    row = {
        "epoch": epoch,
        "step": epoch * steps,
        "elapsed_s": round(epoch * seconds, 2),
        "seconds": seconds,
        "train_loss": 1.1,
        "train_accuracy": 0.55,
        "validation_loss": 1.0,
        "validation_accuracy": accuracy,
        "learning_rate": 1e-3,
        "images_per_second": 142.0,
    }
    assert more.keys() <= row.keys()
    return row | more


def fake_predictions(accuracy: float, images: int = 70) -> Scored:
    """Labels and probabilities with this accuracy."""
    labels = np.arange(images) % NUM_CLASSES
    wrong = np.arange(images) >= round(accuracy * images)
    return labels, np.full((images, NUM_CLASSES), 0.02) + 0.86 * np.eye(NUM_CLASSES)[(labels + wrong) % NUM_CLASSES]


def evaluation(splits: Mapping[str, Scored]) -> dict[str, Any]:
    """The evaluation of these splits, and of `validation` and `test` together where both are given. Every tenth image
    counts as a train duplicate; TTA has the same metrics."""
    scored = dict(splits)
    if {"validation", "test"} <= scored.keys():
        labels, probabilities = zip(scored["validation"], scored["test"], strict=True)
        scored[ORIGINAL_TEST] = np.concatenate(labels), np.concatenate(probabilities)
    return {split: _view(*each) | {"tta": _view(*each)} for split, each in scored.items()}


def _view(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    clean = np.arange(len(labels)) % 10 != 0
    kept = evaluate_predictions(labels[clean], probabilities[clean])
    short = ("images", "correct", "accuracy", "interval", "macro_f1")
    return evaluate_predictions(labels, probabilities) | {"without_train_duplicates": {key: kept[key] for key in short}}


def summary(
    rows: Sequence[dict[str, Any]] = (),
    scored: Mapping[str, Any] | None = None,
    *,
    fingerprint: str = "f",
    ordered_fingerprint: str = "o",
    **more: Any,
) -> dict[str, Any]:
    """The whole file.

    Args:
        rows: of `epochs.jsonl`; by default one.
        scored: as `evaluation` returns it; None before the end of the run.
        fingerprint: of the dataset, independent of the order of its images.
        ordered_fingerprint: of its ids and its order too.
        more: other values for its fields.
    """
    rows = rows or [epoch_row()]
    whole = {
        "best": max(rows, key=lambda row: row["validation_accuracy"]),
        "last": rows[-1],
        "epochs_done": rows[-1]["epoch"],
        "train_images": 28709,
        "images_per_epoch": 28709,
        "validation_images": 3589,
        "elapsed_seconds": rows[-1]["elapsed_s"],
        "dataset_fingerprint": fingerprint,
        "dataset_ordered_fingerprint": ordered_fingerprint,
    }
    assert more.keys() <= whole.keys()
    return whole | more | ({} if scored is None else {"evaluation": scored})
