"""A run with weights, and images to predict."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.dataset import load_split
from core.models.cnn import build_model
from tests.dashboard_fixtures import FakeRun, write_run


@pytest.fixture
def run(runs_root: Path, demo_root: Path) -> FakeRun:
    made = write_run(runs_root, demo_root, "finished", name="my run", epochs=1)
    torch.manual_seed(3)
    torch.save(build_model("cnn-model-2").state_dict(), made.paths.weights)
    return made


def crop(root: Path, number: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.array(load_split(root, "demo", "test").images[number])).save(buffer, "PNG")
    return buffer.getvalue()
