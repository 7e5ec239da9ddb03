"""Suspicion is what its page says it is, and finds labels that were flipped on purpose."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.data.dataset import load_split
from core.data.folds import held_out
from core.data.importers.demo import import_demo
from core.errors import RunError
from core.evaluation.label_quality import suspects, suspicion
from core.evaluation.predictions import PROBABILITY_COLUMNS
from dashboard.views.errors.gallery import SUSPICION
from tests.bench.bench_suspects import flip_labels


def made_up(seed: int, images: int = 700, sure: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and what a fair network might say about them."""
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % 7
    probabilities = rng.dirichlet(np.full(7, 0.5), images) + sure * np.eye(7)[labels] * rng.random((images, 1))
    return labels, (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)


def table(labels: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    frame = pd.DataFrame(probabilities, columns=PROBABILITY_COLUMNS)
    return frame.assign(image_id=[f"image/{number}" for number in range(len(labels))], label=labels)


def test_flipped_labels_come_first() -> None:
    labels, probabilities = made_up(0)
    flipped = np.random.default_rng(1).choice(len(labels), 21, replace=False)
    labels[flipped] = (labels[flipped] + 3) % 7
    scores = suspicion(labels, probabilities)
    assert ((scores >= 0) & (scores <= 1)).all()
    first = np.argsort(-scores)[: 2 * len(flipped)]
    assert np.isin(flipped, first).mean() > 0.8


def test_it_is_the_method_that_the_page_names() -> None:
    """Self-confidence, not the margin: of these two images, both labelled angry, they put another one first."""
    probabilities = np.array([[0.30, 0.31, 0.13, 0.13, 0.13, 0.0, 0.0], [0.32, 0.60, 0.08, 0.0, 0.0, 0.0, 0.0]])
    labels = np.zeros(2, int)
    assert suspicion(labels, probabilities) == pytest.approx([0.70, 0.68])
    assert suspicion(labels, 3 * probabilities) == pytest.approx([0.70, 0.68]), "of rows that do not sum to one, shares"
    assert "self-confidence" in SUSPICION and "margin" not in SUSPICION


def test_few_images_and_missing_classes_do_no_harm() -> None:
    labels, probabilities = made_up(3)
    for number in (0, 1, 3, 6):
        scores = suspicion(labels[:number], probabilities[:number])
        assert len(scores) == number
        assert np.isfinite(scores).all()
    assert len(suspicion(np.full(9, 6), probabilities[:9])) == 9


def test_folds_complete_each_other_and_networks_are_averaged() -> None:
    labels, probabilities = made_up(4)
    labels[5] = (labels[5] + 1) % 7
    whole = table(labels, probabilities)
    found = suspects([whole[whole.index % 3 == fold] for fold in range(3)])
    assert set(found["image_id"]) == set(whole["image_id"])
    assert found["suspicion"].is_monotonic_decreasing
    assert (found["models"] == 1).all()
    expected = pd.Series(suspicion(labels, probabilities), index=whole["image_id"])
    assert np.allclose(found["suspicion"], expected[found["image_id"]], atol=1e-6)

    other = made_up(5)[1]
    both = suspects([whole, table(labels, other)[:100]]).set_index("image_id")
    assert both["models"].value_counts().to_dict() == {1: 600, 2: 100}
    row = both.loc["image/5"].to_dict()
    mean = (probabilities[5] + other[5]) / 2
    against = [int(each[5].argmax() != labels[5]) for each in (probabilities, other)]
    assert row["agreement"] == np.mean(against)
    assert row["p_label"] == pytest.approx(mean[labels[5]], abs=1e-6)
    assert row["suggested"] == np.argmax(np.where(np.arange(7) == labels[5], -1, mean))
    assert row["p_suggested"] == pytest.approx(mean[int(row["suggested"])], abs=1e-6)


def test_tables_that_do_not_belong_together_are_refused() -> None:
    labels, probabilities = made_up(6)
    with pytest.raises(RunError, match="different labels for 700 images"):
        suspects([table(labels, probabilities), table((labels + 1) % 7, probabilities)])
    with pytest.raises(RunError, match="No run has predictions"):
        suspects([])


def edges(images: np.ndarray) -> np.ndarray:
    """How strong edges are in nine directions in each of 8 x 8 cells, enough to tell drawn faces apart: (N, 576)."""
    down, across = np.gradient(images.astype(np.float32), axis=(1, 2))
    strength, direction = np.hypot(across, down), np.arctan2(down, across) % np.pi
    bins = np.minimum((direction / np.pi * 9).astype(int), 8)
    cells = [(strength * (bins == each)).reshape(-1, 8, 6, 8, 6).sum(axis=(2, 4)).reshape(-1, 64) for each in range(9)]
    counted = np.concatenate(cells, axis=1)
    return np.sqrt(counted / (counted.sum(axis=1, keepdims=True) + 1e-6))


def test_most_labels_flipped_in_the_demo_set_are_in_the_first_6_percent(tmp_path: Path) -> None:
    """3 % flipped, judged in five folds, by a linear model on edges: it takes seconds where networks take minutes."""
    import_demo(tmp_path, validation_per_class=1, test_per_class=1)
    train = load_split(tmp_path, "demo", "train")
    labels, flipped = flip_labels(train.labels, 0.03, seed=0)
    judge = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=100))
    probabilities = np.zeros((len(train), 7))
    inputs = edges(np.array(train.images))
    for number in range(1, 6):
        fold = held_out(train, f"{number}/5")
        probabilities[fold] = judge.fit(inputs[~fold], labels[~fold]).predict_proba(inputs[fold])
    first = np.argsort(-suspicion(labels, probabilities))[: round(0.06 * len(labels))]
    share = np.isin(flipped, first).mean()
    print(f"{share:.1%} of {len(flipped)} flipped labels")
    assert share >= 0.6
