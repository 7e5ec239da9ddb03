"""An ensemble scored from weights and images, by hand: SciPy's optimiser for the temperatures, NumPy for the rest."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.metrics import log_loss

from core.config import TrainConfig
from core.data.dataset import load_split
from core.errors import RunError
from core.files import read_json, write_json
from core.models.state_dict import load_weights
from core.runs.reader import read_run
from core.runs.records import Run
from core.training.compute import choose_compute
from core.training.ensemble_report import report_ensemble
from tests.members import write_members

COMPUTE = choose_compute(TrainConfig(device="cpu", threads=1))


@pytest.fixture
def two(runs_root: Path, demo_root: Path) -> list[Run]:
    return write_members(runs_root, demo_root)


def views(run: Run, images: np.ndarray) -> list[np.ndarray]:
    """Softmax of the images and of their flips."""
    model = load_weights(run.paths.weights, "cnn-model-1").eval()
    with torch.no_grad():
        return [
            model(torch.tensor(np.array(each))[:, None].float() / 255).softmax(1).numpy().astype(float)
            for each in (images, images[:, :, ::-1])
        ]


def calibrated(validation: np.ndarray, labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    def loss(log_t: float) -> float:
        tempered = softmax(np.log(validation) / np.exp(log_t), axis=1)
        return float(-np.log(tempered[np.arange(len(labels)), labels]).mean())

    fitted = np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded").x)
    return softmax(np.log(values) / fitted, axis=1)


def test_a_report_is_the_one_by_hand(two: list[Run], demo_root: Path) -> None:
    validation, test = (load_split(demo_root, "demo", name) for name in ("validation", "test"))
    single, flipped = [], []
    for run in two:
        at_validation, at_test = views(run, validation.images), views(run, test.images)
        single.append(calibrated(at_validation[0], validation.labels, at_test[0]))
        flipped.append(calibrated(np.mean(at_validation, axis=0), validation.labels, np.mean(at_test, axis=0)))
    report = report_ensemble(two, demo_root, COMPUTE, ["test"])["test"]
    assert report.tta is not None
    for metrics, expected in ((report, np.mean(single, axis=0)), (report.tta, np.mean(flipped, axis=0))):
        right = int((expected.argmax(axis=1) == test.labels).sum())
        assert (metrics.correct, metrics.images) == (right, len(test))
        ends = binomtest(right, len(test)).proportion_ci(method="wilson")
        assert metrics.interval == pytest.approx((ends.low, ends.high), abs=1e-9)
        assert metrics.log_loss == pytest.approx(log_loss(test.labels, expected, labels=range(7)), rel=1e-3)
        assert metrics.temperature is None and metrics.without_train_duplicates is not None
    assert report.tta.log_loss != report.log_loss


def test_other_data_than_the_members_were_trained_on_is_refused(
    runs_root: Path, two: list[Run], demo_root: Path
) -> None:
    for run in two:
        write_json(run.paths.summary, read_json(run.paths.summary) | {"dataset_fingerprint": "f" * 64})
    with pytest.raises(RunError, match="is not the one that run"):
        report_ensemble([read_run(runs_root, run.id) for run in two], demo_root, COMPUTE, ["test"])
