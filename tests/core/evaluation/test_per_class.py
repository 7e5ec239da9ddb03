"""Figures per class are those of scikit-learn, and their intervals hold what they promise."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from core.evaluation.metrics import accuracy_interval, calibration_error, confusion
from core.evaluation.per_class import class_metrics, reliability
from core.labels import LABELS


def drawn(seed: int, images: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of a network that is right about half of the time."""
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, 7, images)
    scores = chance.normal(0, 1, (images, 7))
    scores[np.arange(images), labels] += 1.2
    powers = np.exp(scores)
    return labels, powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_scikit_learn(seed: int) -> None:
    labels, probabilities = drawn(seed, images=60)
    predicted = probabilities.argmax(axis=1)
    figures = class_metrics(confusion(labels, predicted))
    expected = precision_recall_fscore_support(labels, predicted, labels=range(7), zero_division=0.0)
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert np.allclose(figures[name], values)
    assert figures["label"].tolist() == list(LABELS)
    for name in ("precision", "recall", "f1"):
        assert (figures[f"{name}_low"] <= figures[name] + 1e-9).all()
        assert (figures[name] <= figures[f"{name}_high"] + 1e-9).all()


def test_a_class_nobody_has_or_predicts_is_unknown() -> None:
    figures = class_metrics(np.zeros((7, 7), int))
    assert (figures["f1"] == 0).all() and (figures["f1_low"] == 0).all() and (figures["f1_high"] == 1).all()


def test_intervals_hold_the_truth_95_times_in_100() -> None:
    """2,000 samples of one true matrix: of each figure, the interval covers the true value as often as it says."""
    truth = np.full((7, 7), 0.01) + np.diag([0.10, 0.02, 0.06, 0.15, 0.09, 0.05, 0.04])
    truth /= truth.sum()
    right, support, predicted = truth[2, 2], truth[2].sum(), truth[:, 2].sum()
    true = {"precision": right / predicted, "recall": right / support, "f1": 2 * right / (support + predicted)}
    chance, covered = np.random.default_rng(0), dict.fromkeys(true, 0)
    for _ in range(2000):
        row = class_metrics(chance.multinomial(800, truth.ravel()).reshape(7, 7)).iloc[2]
        for name, value in true.items():
            covered[name] += row[f"{name}_low"] <= value <= row[f"{name}_high"]
    assert all(0.935 < count / 2000 < 0.965 for count in covered.values()), covered


def test_reliability_adds_up_to_the_calibration_error() -> None:
    labels, probabilities = drawn(1)
    bins = reliability(labels, probabilities, bins=15)
    assert bins["images"].sum() == len(labels)
    gaps = (bins["images"] * (bins["confidence"] - bins["accuracy"]).abs()).sum() / len(labels)
    assert gaps == pytest.approx(calibration_error(labels, probabilities))
    first = bins.iloc[0]
    low, high = accuracy_interval(round(first["accuracy"] * first["images"]), int(first["images"]))
    assert (first["accuracy_low"], first["accuracy_high"]) == (low, high)
    assert ((bins["low"] <= bins["confidence"]) & (bins["confidence"] <= bins["high"])).all()
