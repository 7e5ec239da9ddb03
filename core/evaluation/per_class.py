"""Metrics per class with 95% intervals, and the reliability diagram. NumPy in, tables out."""

from typing import Final

import numpy as np
import pandas as pd

from core.evaluation.metrics import accuracy_interval, class_scores
from core.labels import LABELS

BINS: Final = 10


def class_metrics(matrix: np.ndarray) -> pd.DataFrame:
    """Precision, recall and F1 of each class, each with its 95% interval.

    Precision and recall are proportions of counted images, so their intervals are Wilson's (Wilson 1927). F1 is not a
    proportion, but an increasing function of one: with J = TP / (TP + FP + FN), F1 = 2J / (1 + J). Its interval is
    Wilson's for J, put through that function (the "Wilson indirect" method of Lam, Gopal and Qian 2023, Confidence
    Intervals for the F1 Score).

    Args:
        matrix: (7, 7) counts, row = true class, column = predicted class.

    Returns:
        A row per class: `label`, `support` and `predicted` (images), and for each of `precision`, `recall` and `f1`
        its value, as `class_scores` returns it, and `<name>_low`, `<name>_high`; all 0..1.
    """
    scores, rows = class_scores(matrix), []
    for i, label in enumerate(LABELS):
        right, support, predicted = int(matrix[i, i]), int(matrix[i].sum()), int(matrix[:, i].sum())
        either = support + predicted - right
        row: dict[str, object] = {"label": label, "support": support, "predicted": predicted}
        for name, total in (("precision", predicted), ("recall", support)):
            row[name] = scores[name][i]
            row[f"{name}_low"], row[f"{name}_high"] = accuracy_interval(right, total)
        row["f1"] = scores["f1"][i]
        row["f1_low"], row["f1_high"] = (2 * end / (1 + end) for end in accuracy_interval(right, either))
        rows.append(row)
    return pd.DataFrame(rows)


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Accuracy by confidence: the reliability diagram (Guo et al. 2017).

    Args:
        labels: (N,) true class indices.
        probabilities: (N, 7), rows summing to 1.
        bins: equal ranges of confidence.

    Returns:
        A row per range that holds images: `low`, `high` (ends of the range), `images`, `confidence` (mean),
        `accuracy` and its 95% Wilson interval, `accuracy_low`, `accuracy_high`; all but `images` 0..1.
    """
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    rows = []
    for place in np.unique(places):
        inside = places == place
        images, right = int(inside.sum()), int(correct[inside].sum())
        low, high = accuracy_interval(right, images)
        rows.append(
            {
                "low": place / bins,
                "high": (place + 1) / bins,
                "images": images,
                "confidence": float(confidence[inside].mean()),
                "accuracy": right / images,
                "accuracy_low": low,
                "accuracy_high": high,
            }
        )
    return pd.DataFrame(rows)
