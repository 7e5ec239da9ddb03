"""Predictions: the same figures by hand, by class and on the command line."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import ImageError
from core.evaluation.inference import class_probabilities
from core.labels import LABELS
from core.models.cnn import build_model
from core.prediction.predictor import Predictor

SEEDED = 11


@pytest.fixture
def predictor() -> Predictor:
    torch.manual_seed(SEEDED)
    return Predictor(build_model("cnn-model-2"))


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 48, 48), dtype=np.uint8)


def test_probabilities_are_a_forward_pass_by_hand(predictor: Predictor) -> None:
    torch.manual_seed(SEEDED)
    model = build_model("cnn-model-2").eval()
    crops = images(5)
    with torch.no_grad():
        by_hand = model(torch.from_numpy(crops).float()[:, None] / 255).softmax(1).numpy()
    assert np.allclose(predictor.probabilities(crops), by_hand, atol=1e-6)
    assert np.allclose(predictor.probabilities(crops).sum(1), 1, atol=1e-6)


def test_a_batch_and_single_images_agree(predictor: Predictor) -> None:
    crops = images(300)  # more than one forward pass
    together = predictor.probabilities(crops)
    assert together.shape == (300, 7)
    for index in (0, 255, 256, 299):
        assert np.allclose(predictor.probabilities(crops[index : index + 1])[0], together[index], atol=1e-5)


def test_a_fer2013_image_goes_through_unchanged(predictor: Predictor, tmp_path: Path) -> None:
    crop = images(1)[0]
    Image.fromarray(crop).save(tmp_path / "face.png")
    [face] = predictor.predict_file(tmp_path / "face.png").faces
    assert np.array_equal(face.crop, crop)
    assert face.box == (0, 0, 48, 48)
    assert np.allclose(face.probabilities, predictor.probabilities(crop[None])[0])
    assert face.label == LABELS[int(face.probabilities.argmax())]
    assert list(face.as_json()["probabilities"]) == list(LABELS)


def test_evaluation_and_prediction_agree(predictor: Predictor) -> None:
    crops = images(20)
    evaluated = class_probabilities(predictor.model, torch.from_numpy(crops)).numpy()
    assert np.array_equal(evaluated, predictor.probabilities(crops))


def test_files_that_are_no_pictures_are_one_sentence(predictor: Predictor, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("L", (64, 64)).save(buffer, "JPEG")
    cases = {"text.jpg": b"hello", "empty.png": b"", "cut.jpg": buffer.getvalue()[:200]}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageError, match=name.replace(".", r"\.")) as caught:
            predictor.predict_file(tmp_path / name)
        assert "\n" not in str(caught.value)
    for missing in (tmp_path / "missing.jpg", tmp_path):
        with pytest.raises(ImageError, match="Can't read"):
            predictor.predict_file(missing)


@pytest.mark.gpu
def test_gpu_and_cpu_agree(predictor: Predictor) -> None:
    on_gpu = Predictor(predictor.model, "cuda")
    crops = images(8)
    there = on_gpu.probabilities(crops)
    assert np.allclose(there, Predictor(on_gpu.model, "cpu").probabilities(crops), atol=1e-4)
