"""The stand-in for faces from photos."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.dataset import load_split
from core.data.decode import to_face
from core.evaluation.inference import class_probabilities
from core.evaluation.metrics import log_loss
from core.models.state_dict import load_weights
from core.prediction.proxy import detail, photo_proxy
from core.runs.paths import RunPaths
from tests.conftest import PROJECT_ROOT


def noisy(count: int = 6) -> np.ndarray:
    columns = np.linspace(40, 200, 48)
    noise = np.random.default_rng(0).normal(0, 15, (count, 48, 48))
    return np.clip(columns + noise, 0, 255).astype(np.uint8)


def test_the_proxy_is_smoother_in_the_same_framing_and_order() -> None:
    images = noisy()
    proxy = photo_proxy(images)
    assert proxy.shape == images.shape and proxy.dtype == np.uint8
    assert detail(proxy) < 0.6 * detail(images)
    distance = np.abs(proxy[:, None].astype(int) - images[None]).mean((2, 3))
    assert (distance.argmin(axis=1) == np.arange(len(images))).all()
    assert np.abs(proxy.mean((1, 2)) - images.mean((1, 2))).max() < 1
    rows, columns = np.indices((48, 48))
    spot = np.where((np.abs(rows - 10) < 4) & (np.abs(columns - 30) < 4), 255, 0).astype(np.uint8)
    weights = photo_proxy(spot[None])[0] / photo_proxy(spot[None])[0].sum()
    assert np.allclose([(weights * rows).sum(), (weights * columns).sum()], [10, 30], atol=0.1)


def test_nothing_in_nothing_out() -> None:
    assert photo_proxy(np.zeros((0, 48, 48), np.uint8)).shape == (0, 48, 48)


def test_detail_is_the_distance_from_the_neighbours() -> None:
    board = (np.indices((48, 48)).sum(axis=0) % 2 * 10).astype(np.uint8)
    assert detail(board[None]) == 10.0
    slope = np.tile(np.arange(48, dtype=np.uint8), (48, 1))
    assert detail(np.stack([slope, slope.T])) == 0.0


@pytest.mark.real_data
@pytest.mark.parametrize("side", [24, 192])
def test_faces_of_any_size_lose_less_than_by_a_bilinear_filter(real_root: Path, side: int) -> None:
    split = load_split(real_root, "fer2013", "validation")
    some = np.arange(0, len(split), 9)
    to_photo = Image.Resampling.LANCZOS if side < 48 else Image.Resampling.BILINEAR  # about as smooth as real photos
    photos = [Image.fromarray(image).resize((side, side), to_photo) for image in split.images[some]]
    by_filter = {
        "ours": np.stack([to_face(photo) for photo in photos]),
        "bilinear": np.stack([np.asarray(photo.resize((48, 48), Image.Resampling.BILINEAR)) for photo in photos]),
    }
    model = load_weights(RunPaths(PROJECT_ROOT / "runs", "reference-cnn-model-2").weights, "cnn-model-2")
    loss = {
        name: log_loss(split.labels[some], class_probabilities(model, torch.from_numpy(faces)).numpy())
        for name, faces in by_filter.items()
    }
    assert loss["ours"] < loss["bilinear"], loss
