"""The mean of calibrated probabilities, against SciPy and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

from core.errors import RunError
from core.evaluation.averaging import average_calibrated, average_tables, evaluate_averaged
from core.evaluation.predictions import predictions_frame, probabilities_of, with_outcomes

IMAGES = 400
CHANCE = np.random.default_rng(4)
TRUE = np.arange(IMAGES) % 7
LOGITS = [CHANCE.normal(0, 2, (IMAGES, 7)) + 3 * np.eye(7)[TRUE] for _ in range(3)]
TEMPERATURES = [1.7, 0.6, None]
BY_HAND = np.mean([softmax(each / (t or 1), axis=1) for each, t in zip(LOGITS, TEMPERATURES, strict=True)], axis=0)


def table(logits: np.ndarray, labels: np.ndarray = TRUE) -> pd.DataFrame:
    ids = np.array([f"image-{i}" for i in range(len(logits))])
    return with_outcomes(predictions_frame(ids, labels, softmax(logits, axis=1)))


def test_each_member_has_its_own_temperature() -> None:
    found = average_calibrated([softmax(each, axis=1) for each in LOGITS], TEMPERATURES)
    np.testing.assert_allclose(found, BY_HAND, atol=1e-9)
    uncalibrated = np.mean([softmax(each, axis=1) for each in LOGITS], axis=0)
    assert np.abs(found - uncalibrated).max() > 0.05, "the temperatures make a difference here"


def test_the_metrics_are_those_of_scikit_learn() -> None:
    metrics = evaluate_averaged(TRUE, BY_HAND)
    predicted = BY_HAND.argmax(axis=1)
    assert metrics["accuracy"] == pytest.approx(accuracy_score(TRUE, predicted))
    assert metrics["macro_f1"] == pytest.approx(f1_score(TRUE, predicted, average="macro"))
    assert metrics["log_loss"] == pytest.approx(log_loss(TRUE, BY_HAND))
    assert np.array_equal(metrics["confusion"], confusion_matrix(TRUE, predicted))
    assert "temperature" not in metrics and "log_loss_calibrated" not in metrics


def test_tables_are_joined_by_image_and_not_by_row() -> None:
    tables = [table(each) for each in LOGITS]
    order = np.random.default_rng(1).permutation(IMAGES)
    tables[1] = tables[1].iloc[order].reset_index(drop=True)
    found = average_tables(tables, TEMPERATURES)
    np.testing.assert_allclose(probabilities_of(found), BY_HAND, atol=1e-6)
    assert found["image_id"].tolist() == tables[0]["image_id"].tolist()
    assert found["predicted"].tolist() == BY_HAND.argmax(axis=1).tolist()
    np.testing.assert_allclose(found["loss"], -np.log(BY_HAND[np.arange(IMAGES), TRUE]), rtol=1e-5)


def test_other_images_and_other_labels_are_refused() -> None:
    first = table(LOGITS[0])
    renamed = first.assign(image_id=["other", *first["image_id"][1:]])
    repeated = first.assign(image_id=[first["image_id"][1], *first["image_id"][1:]])
    for other in (table(LOGITS[1][:-1], TRUE[:-1]), renamed, repeated):
        with pytest.raises(RunError, match="on different images"):
            average_tables([first, other], [1, 1])
    with pytest.raises(RunError, match="with different labels"):
        average_tables([first, table(LOGITS[1], (TRUE + 1) % 7)], [1, 1])
