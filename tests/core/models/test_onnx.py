"""ONNX says what PyTorch says, on random and on real images, whatever the batch."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from core.data.dataset import load_split
from core.evaluation.metrics import with_temperature
from core.labels import LABELS
from core.models.cnn import build_model
from core.models.onnx import write_onnx
from core.prediction.predictor import Predictor
from core.runs.paths import RunPaths
from tests.conftest import PROJECT_ROOT

onnxruntime.disable_telemetry_events()


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def network(name: str) -> Predictor:
    torch.manual_seed(2)
    model = build_model(name)
    model.train()
    with torch.no_grad():  # running statistics that are not those of a fresh network
        model(torch.rand(16, 1, 48, 48))
        last = model.classifier[-1]
        assert isinstance(last, torch.nn.Linear)
        last.weight *= 40  # logits as far apart as those of a trained network
    return Predictor(model)


@pytest.mark.parametrize("name", ["cnn-model-2", "cnn-model-1"])
def test_onnx_agrees_with_pytorch_for_any_batch(name: str, tmp_path: Path) -> None:
    predictor = network(name)
    write_onnx(predictor.model, tmp_path / "m.onnx", 1.7, "a test")
    run = session(tmp_path / "m.onnx")
    for count in (1, 3, 17):
        images = np.random.default_rng(count).integers(0, 256, (count, 48, 48), dtype=np.uint8)
        logits, probabilities = run.run(None, {"images": images})
        plain = torch.from_numpy(logits).softmax(1).numpy()
        np.testing.assert_allclose(plain, predictor.probabilities(images), atol=1e-5)
        np.testing.assert_allclose(probabilities, with_temperature(plain, 1.7), atol=1e-5)


def test_the_file_says_what_goes_in_and_what_comes_out(tmp_path: Path) -> None:
    write_onnx(network("cnn-model-1").model, tmp_path / "m.onnx", None, "a test")
    run = session(tmp_path / "m.onnx")
    [image] = run.get_inputs()
    assert (image.name, image.type, image.shape[1:]) == ("images", "tensor(uint8)", [48, 48])
    meta = run.get_modelmeta()
    assert meta.custom_metadata_map["labels"].split(",") == list(LABELS)
    assert meta.custom_metadata_map["temperature"] == "1.0"
    assert "uint8 (N, 48, 48)" in meta.description


@pytest.mark.real_data
def test_onnx_agrees_with_pytorch_on_test_images(tmp_path: Path, real_root: Path) -> None:
    weights = [RunPaths(path.parent, path.name).weights for path in (PROJECT_ROOT / "runs").glob("reference-*")]
    predictor = Predictor.load(weights[0]) if weights and weights[0].exists() else network("cnn-model-2")
    images = np.array(load_split(real_root, "fer2013", "test").images[:300])
    write_onnx(predictor.model, tmp_path / "m.onnx")
    run = session(tmp_path / "m.onnx")
    logits, probabilities = run.run(None, {"images": images})
    with torch.no_grad():
        ours = predictor.model(torch.from_numpy(images).float()[:, None] / 255)
    print("largest difference of a logit", np.abs(logits - ours.numpy()).max(), "of", np.abs(logits).max())
    np.testing.assert_allclose(logits, ours.numpy(), atol=1e-4)
    np.testing.assert_allclose(probabilities, ours.softmax(1).numpy(), atol=1e-5)
