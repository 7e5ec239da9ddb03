"""Flip TTA and ensembles on faces: probabilities and heatmaps by hand, each with its own temperatures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import RunError
from core.evaluation.grad_cam import grad_cam
from core.files import read_json, write_json
from core.models.state_dict import load_weights
from core.prediction import Predictor
from core.prediction.ensemble import EnsemblePredictor, predictor_of
from core.runs.reader import read_run
from core.runs.records import Run
from tests.members import FLIP_TEMPERATURE, write_members

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 48, 48), dtype=np.uint8)


@pytest.fixture
def two(runs_root: Path, demo_root: Path) -> list[Run]:
    return write_members(runs_root, demo_root)


def softmaxes(run: Run, images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        logits = load_weights(run.paths.weights, "cnn-model-1").eval()(torch.tensor(images)[:, None].float() / 255)
    return logits.softmax(1).numpy()


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    powers = probabilities.astype(float) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def averaged(run: Run) -> np.ndarray:
    """Over the images and their flips."""
    return (softmaxes(run, IMAGES) + softmaxes(run, IMAGES[:, :, ::-1].copy())) / 2


def test_flip_tta_is_the_default_and_has_its_own_temperature(two: list[Run]) -> None:
    raw, calibrated = Predictor.of_run(two[0]).scores(IMAGES)
    np.testing.assert_allclose(raw, averaged(two[0]), atol=1e-6)
    np.testing.assert_allclose(calibrated, tempered(averaged(two[0]), FLIP_TEMPERATURE), atol=1e-6)
    single, tempered_single = Predictor.of_run(two[0], flip=False).scores(IMAGES)
    assert two[0].temperature is not None and two[0].temperature != FLIP_TEMPERATURE
    np.testing.assert_allclose(single, softmaxes(two[0], IMAGES), atol=1e-6)
    np.testing.assert_allclose(tempered_single, tempered(single, two[0].temperature), atol=1e-6)
    assert np.abs(raw - single).max() > 0.01


def test_an_image_and_its_flip_get_the_same_answer(two: list[Run]) -> None:
    predictor = predictor_of(two)
    flipped = IMAGES[:, :, ::-1].copy()
    np.testing.assert_allclose(predictor.scores(IMAGES)[1], predictor.scores(flipped)[1], atol=1e-6)


def test_all_views_of_few_faces_go_through_the_model_at_once(two: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = Predictor.of_run(two[0])
    seen: list[int] = []
    predictor.model.register_forward_hook(lambda _model, inputs, _output: seen.append(len(inputs[0])))
    predictor.scores(IMAGES)
    assert seen == [2 * len(IMAGES)]
    monkeypatch.setattr("core.evaluation.inference.BATCH", len(IMAGES))
    predictor.scores(IMAGES)
    assert seen[1:] == [len(IMAGES)] * 2, "many faces need no more memory than without"


def test_without_a_temperature_for_the_flip_the_single_views_is_not_taken(runs_root: Path, two: list[Run]) -> None:
    summary = read_json(two[0].paths.summary)
    del summary["evaluation"]["validation"]["tta"]
    write_json(two[0].paths.summary, summary)
    run = read_run(runs_root, two[0].id)
    assert Predictor.of_run(run).temperature is None and Predictor.of_run(run, flip=False).temperature is not None
    raw, calibrated = Predictor.of_run(run).scores(IMAGES)
    assert np.array_equal(raw, calibrated)


def test_an_ensemble_is_the_mean_of_its_calibrated_members(two: list[Run]) -> None:
    ensemble = predictor_of(two)
    raw, calibrated = ensemble.scores(IMAGES)
    np.testing.assert_allclose(raw, np.mean([averaged(run) for run in two], axis=0), atol=1e-6)
    expected = [tempered(averaged(run), FLIP_TEMPERATURE + at / 10) for at, run in enumerate(two)]
    np.testing.assert_allclose(calibrated, np.mean(expected, axis=0), atol=1e-6)
    [face] = ensemble.predict(Image.fromarray(IMAGES[0]), whole=True).faces
    np.testing.assert_allclose(face.probabilities, np.mean(expected, axis=0)[0], atol=1e-6)
    assert isinstance(ensemble, EnsemblePredictor) and len(ensemble.models) == 2
    assert isinstance(predictor_of(two[:1]), Predictor)
    with pytest.raises(RunError, match="different runs"):
        predictor_of([two[0], two[0]])


def test_the_heatmap_is_of_all_that_is_averaged(two: list[Run]) -> None:
    classes = np.array([0, 3, 4, 6])
    networks = [load_weights(run.paths.weights, "cnn-model-1").eval() for run in two]

    def scaled(maps: np.ndarray) -> np.ndarray:
        return np.stack([each / each.max() if each.max() > 0 else each for each in maps])

    def flipped(network: torch.nn.Module) -> np.ndarray:
        mirrored = grad_cam(network, IMAGES[:, :, ::-1].copy(), classes)[:, :, ::-1]  # type: ignore[arg-type]
        return scaled(grad_cam(network, IMAGES, classes) + mirrored)  # type: ignore[arg-type]

    expected = scaled(flipped(networks[0]) + flipped(networks[1]))
    np.testing.assert_allclose(predictor_of(two).grad_cam(IMAGES, classes), expected, atol=1e-4)
    single = Predictor.of_run(two[0], flip=False).grad_cam(IMAGES, classes)
    np.testing.assert_allclose(single, grad_cam(networks[0], IMAGES, classes), atol=1e-4)
    assert np.abs(expected - single).max() > 0.05
