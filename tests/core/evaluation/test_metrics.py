"""Figures against scikit-learn, SciPy, and numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as sk

from core.evaluation.metrics import (
    accuracy_interval,
    calibration_error,
    confusion,
    evaluate_predictions,
    fit_temperature,
    log_loss,
    with_temperature,
)
from core.labels import LABELS


def sample(count: int = 500, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels (count,) and probabilities (count, 7) that are right more often than not."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7, count)
    logits = rng.normal(size=(count, 7)) + 1.5 * np.eye(7)[labels]
    powers = np.exp(logits)
    return labels, powers / powers.sum(1, keepdims=True)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_is_scipys_wilson(case: tuple[int, int]) -> None:
    correct, total = case
    expected = binomtest(correct, total).proportion_ci(method="wilson")
    assert accuracy_interval(correct, total) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_interval_at_the_size_of_a_fer2013_split_is_a_point_and_a_half() -> None:
    low, high = accuracy_interval(round(0.70 * 3589), 3589)
    assert (high - low) / 2 == pytest.approx(0.015, abs=0.0005)
    assert accuracy_interval(0, 0) == (0.0, 1.0)


def test_confusion_rows_are_true_classes() -> None:
    table = confusion(np.array([0, 0, 6]), np.array([0, 3, 6]))
    assert table.shape == (7, 7)
    assert table[0, 0] == table[0, 3] == table[6, 6] == 1
    assert table.sum() == 3


def test_figures_agree_with_scikit_learn() -> None:
    labels, probabilities = sample()
    predicted = probabilities.argmax(1)
    figures = evaluate_predictions(labels, probabilities)
    assert figures["accuracy"] == pytest.approx(sk.accuracy_score(labels, predicted))
    assert figures["macro_f1"] == pytest.approx(sk.f1_score(labels, predicted, average="macro"))
    assert figures["mean_recall"] == pytest.approx(sk.balanced_accuracy_score(labels, predicted))
    assert figures["log_loss"] == pytest.approx(sk.log_loss(labels, probabilities, labels=range(7)))
    assert np.array_equal(figures["confusion"], sk.confusion_matrix(labels, predicted))
    assert list(figures["per_class"]) == list(LABELS)
    assert sum(row["support"] for row in figures["per_class"].values()) == figures["images"] == 500


def test_absent_classes_do_not_spoil_the_means() -> None:
    labels = np.array([3, 3, 3, 4])
    probabilities = np.eye(7)[[3, 3, 4, 4]] * 0.93 + 0.01
    figures = evaluate_predictions(labels, probabilities)
    assert figures["mean_recall"] == pytest.approx((2 / 3 + 1) / 2)


def test_calibration_error_by_hand() -> None:
    probabilities = np.full((10, 7), 0.05)
    probabilities[:, 0] = 0.70
    labels = np.array([0] * 5 + [1] * 5)
    assert calibration_error(labels, probabilities) == pytest.approx(0.2)


def test_temperature_finds_what_was_done_to_the_logits() -> None:
    labels, honest = sample(20_000)
    base = fit_temperature(labels, honest)
    too_sure = with_temperature(honest, 1 / 2.5)
    assert fit_temperature(labels, too_sure) == pytest.approx(2.5 * base, rel=1e-3)
    assert log_loss(labels, with_temperature(too_sure, 2.5 * base)) < log_loss(labels, too_sure)


@given(st.floats(0.1, 10))
def test_temperature_keeps_order_and_sum(temperature: float) -> None:
    _, probabilities = sample(20)
    changed = with_temperature(probabilities, temperature)
    assert np.allclose(changed.sum(1), 1)
    assert np.array_equal(changed.argmax(1), probabilities.argmax(1))


def test_certain_and_wrong_costs_much_but_not_infinitely() -> None:
    assert np.isfinite(log_loss(np.array([0]), np.eye(7)[[1]]))
