"""Metrics of a split: accuracy with its interval, F1, confusion, loss, calibration. NumPy in, plain values out."""

import math
from typing import Any, Final

import numpy as np

from core.labels import LABELS, NUM_CLASSES

Z_95: Final = 1.959963984540054
_CALIBRATION_BINS: Final = 15

LOW_CONFIDENCE: Final = 0.5
"""A calibrated confidence below this is low: by the model's own estimate, the prediction is then more likely wrong
than correct. On validation of a reference model that was 29% of the images, of which 37% were correct, against 76% of
the others. The margin of the two highest probabilities separates correct from wrong no better (AUROC 0.78; 0.79)."""


def accuracy_interval(correct: int, total: int) -> tuple[float, float]:
    """The 95% Wilson score interval of a proportion (Wilson 1927).

    Args:
        correct: 0..total.
        total: images; at 0 nothing is known and the interval is 0..1.

    Returns:
        Lower and upper end, 0..1.
    """
    if total == 0:
        return 0.0, 1.0
    fraction, z2 = correct / total, Z_95**2
    centre = (fraction + z2 / (2 * total)) / (1 + z2 / total)
    half = Z_95 / (1 + z2 / total) * math.sqrt(fraction * (1 - fraction) / total + z2 / (4 * total**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def confusion(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(7, 7) counts: rows are true classes, columns predicted ones.

    Args:
        labels: (N,) true class indices.
        predicted: (N,) predicted class indices.
    """
    cells = labels.astype(int) * NUM_CLASSES + predicted.astype(int)
    return np.bincount(cells, minlength=NUM_CLASSES**2).reshape(NUM_CLASSES, NUM_CLASSES)


def class_scores(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall and F1 of each class, by these names; float (7,), 0..1, 0 where there is nothing to divide by.

    Args:
        matrix: (7, 7) counts, row = true class, column = predicted class.
    """
    right, support, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    parts = {"precision": (right, predicted), "recall": (right, support), "f1": (2 * right, support + predicted)}
    return {name: part / np.maximum(total, 1) for name, (part, total) in parts.items()}


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error, 15 equal bins (Guo et al. 2017), 0..1: mean gap of confidence and accuracy.

    Args:
        labels: (N,) true class indices.
        probabilities: (N, 7).
    """
    if len(labels) == 0:
        return 0.0
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * _CALIBRATION_BINS).astype(int), _CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=confidence - correct, minlength=_CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def fit_temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The temperature that minimizes the loss (Guo et al. 2017); above 1 where the model is overconfident.

    Fit it on validation only. Searched in 0.05..20.

    Args:
        labels: (N,) true class indices.
        probabilities: (N, 7).
    """
    from scipy.optimize import minimize_scalar  # takes a second, which pages that only count should not pay for

    if len(labels) == 0:
        return 1.0
    result = minimize_scalar(
        lambda log_t: log_loss(labels, with_temperature(probabilities, math.exp(log_t))),
        bounds=(math.log(0.05), math.log(20.0)),
        method="bounded",
    )
    return float(math.exp(result.x))


def with_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """(N, 7) probabilities as they would be had the logits been divided by the temperature."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-12)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def low_confidence_rates(labels: np.ndarray, calibrated: np.ndarray) -> tuple[float, float, float]:
    """How often predictions of low confidence are correct, see `LOW_CONFIDENCE`.

    Args:
        labels: (N,) true class indices.
        calibrated: (N, 7) calibrated probabilities.

    Returns:
        The fraction of images with low confidence, and the accuracy on those and on the others; 0..1, 0 where there are
        none.
    """
    correct = calibrated.argmax(axis=1) == labels
    low = calibrated.max(axis=1) < LOW_CONFIDENCE
    below, above = (float(correct[part].mean()) if part.any() else 0.0 for part in (low, ~low))
    return float(low.mean()) if len(labels) else 0.0, below, above


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative log probability of the true class, in nats."""
    of_label = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(of_label, 1e-12)).mean())


def evaluate_predictions(labels: np.ndarray, probabilities: np.ndarray, temperature: float = 1.0) -> dict[str, Any]:
    """Everything reported about one split.

    Args:
        labels: (N,) true class indices.
        probabilities: (N, 7), uncalibrated.
        temperature: fitted on validation; only the calibrated metrics use it.

    Returns:
        Plain values for JSON: images, correct, accuracy and its interval, mean recall, macro F1, per class, confusion,
        log loss and calibration error, the last two also after temperature scaling. Fractions are 0..1.
    """
    predicted = probabilities.argmax(axis=1)
    total, correct = len(labels), int((predicted == labels).sum())
    matrix = confusion(labels, predicted)
    scores, support = class_scores(matrix), matrix.sum(axis=1)
    present = support > 0
    calibrated = with_temperature(probabilities, temperature)
    return {
        "images": total,
        "correct": correct,
        "accuracy": correct / total,
        "interval": list(accuracy_interval(correct, total)),
        "mean_recall": float(scores["recall"][present].mean()),
        "macro_f1": float(scores["f1"][present].mean()),
        "log_loss": log_loss(labels, probabilities),
        "calibration_error": calibration_error(labels, probabilities),
        "temperature": temperature,
        "log_loss_calibrated": log_loss(labels, calibrated),
        "calibration_error_calibrated": calibration_error(labels, calibrated),
        "per_class": {
            label: {**{name: float(values[i]) for name, values in scores.items()}, "support": int(support[i])}
            for i, label in enumerate(LABELS)
        },
        "confusion": matrix.tolist(),
    }
