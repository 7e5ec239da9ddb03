"""The nearest misclassified: right order, never the image itself, bounded."""

import numpy as np
import pytest
import torch

from core.evaluation import nearest
from core.evaluation.nearest import Misclassified, features, joint_features
from core.models.cnn import build_model


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 48, 48), dtype=np.uint8)


def network(name: str = "cnn-model-1") -> torch.nn.Module:
    torch.manual_seed(5)
    return build_model(name).eval()


@pytest.mark.parametrize("name", ["cnn-model-1", "cnn-model-2"])
def test_logits_are_linear_in_the_features(name: str) -> None:
    model, pictures = network(name), images(3)
    found = features(model, pictures)  # type: ignore[arg-type]
    assert found.shape == (3, 128)
    assert found.min() >= 0
    with torch.no_grad():
        logits = model(torch.from_numpy(pictures).float()[:, None] / 255).numpy()
        again = model.classifier[-1](torch.from_numpy(found)).numpy()  # type: ignore[operator, index, union-attr]
    np.testing.assert_allclose(again, logits, atol=1e-5)


def test_an_image_is_most_like_itself_and_can_be_left_out() -> None:
    model, pictures = network(), images(40)
    wrong = np.array([2, 5, 7, 11, 30])
    misclassified = Misclassified.find([model], pictures, wrong)  # type: ignore[list-item]
    query = features(model, pictures[7:8])[0]  # type: ignore[arg-type]
    rows, cosines = misclassified.nearest(query, 3)
    assert rows[0] == 7
    assert cosines[0] == pytest.approx(1, abs=1e-5)
    assert list(cosines) == sorted(cosines, reverse=True)
    others, _ = misclassified.nearest(query, 3, without=7)
    assert 7 not in others
    assert list(others[:2]) == list(rows[1:])
    assert len(misclassified.nearest(query, 99, without=7)[0]) == 4


def test_cosines_are_those_of_the_formula() -> None:
    rng = np.random.default_rng(3)
    values = rng.random((6, 128)).astype(np.float32)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    misclassified = Misclassified(np.arange(6), unit)
    rows, cosines = misclassified.nearest(10 * values[4], 6)
    for row, cosine in zip(rows, cosines, strict=True):
        assert cosine == pytest.approx(float(unit[row] @ unit[4]), abs=1e-5)


def test_several_models_together_give_the_mean_of_their_cosines() -> None:
    pictures, models = images(12), [network(), network("cnn-model-2")]
    query = joint_features(models, pictures[11:])[0]  # type: ignore[arg-type]
    rows, cosines = Misclassified.find(models, pictures, np.arange(10)).nearest(query, 10)  # type: ignore[arg-type]
    expected = np.zeros(10)
    for model in models:
        found = features(model, pictures)  # type: ignore[arg-type]
        lengths = np.linalg.norm(found, axis=1)
        expected += found[:10] @ found[11] / (lengths[:10] * lengths[11]) / len(models)
    np.testing.assert_allclose(cosines, np.sort(expected)[::-1], atol=1e-5)
    np.testing.assert_allclose(expected[rows], cosines, atol=1e-5)


def test_a_network_without_mistakes_and_a_query_of_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    none = Misclassified.find([model], images(4), np.empty(0, int))  # type: ignore[list-item]
    assert len(none.nearest(np.ones(128, np.float32), 5)[0]) == 0
    monkeypatch.setattr(nearest, "MOST", 3)
    some = Misclassified.find([model], images(10), np.arange(10))  # type: ignore[list-item]
    assert list(some.rows) == [0, 1, 2]
    assert np.isfinite(some.nearest(np.zeros(128, np.float32), 2)[1]).all()
