"""`predict`."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.cli.predict import _own_weights
from core.labels import LABELS
from core.models.unwrap import WeightsError
from tests.conftest import PROJECT_ROOT
from tests.core.cli.conftest import error_of, fer


def test_predict_prints_seven_probabilities_per_face_and_goes_on_after_a_bad_file(
    trained: dict[str, Any], roots: list[str | Path], tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_text("not an image")
    images = [tmp_path / "bad.jpg", tmp_path / "good.png"]
    result = fer("predict", *images, *roots[:2], "--run", trained["id"], "--json", code=2)
    assert len(result.stderr.splitlines()) == 1
    assert "bad.jpg" in result.stderr
    [line] = result.stdout.splitlines()
    answer = json.loads(line)
    assert answer["file"] == str(tmp_path / "good.png")
    [face] = answer["faces"]
    assert set(face["probabilities"]) == set(LABELS)
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert face["label"] == max(face["probabilities"], key=face["probabilities"].get)
    assert (face["rotation"], face["detection_score"]) == (0, None)


def test_weights_in_a_checkpoint_predict_as_the_bare_ones_and_say_where_they_were(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "face.png")
    bare = PROJECT_ROOT / "runs" / "reference-cnn-model-2" / "fer2013_model_2.pth"
    state = torch.load(bare, weights_only=True)
    checkpoint = {"state_dict": {f"model.{key}": value for key, value in state.items()}, "epoch": 3}
    torch.save(checkpoint, tmp_path / "lightning.ckpt", _use_new_zipfile_serialization=False)
    expected = fer("predict", tmp_path / "face.png", "--json", "--weights", bare)
    found = fer("predict", tmp_path / "face.png", "--json", "--weights", tmp_path / "lightning.ckpt")
    assert found.stdout == expected.stdout != ""
    assert (expected.stderr, found.stderr) == ("", "Using 'state_dict.model' in lightning.ckpt.\n")


def test_weights_that_are_a_pipe_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.pth")
    with pytest.raises(WeightsError, match=r"^Can't read model\.pth: it is not a regular file\.$"):
        _own_weights(tmp_path / "model.pth", flip=False)


def test_a_torchscript_file_is_refused_in_one_line(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / "model.pt")
    Image.new("L", (48, 48)).save(tmp_path / "face.png")
    line = error_of("predict", tmp_path / "face.png", "--weights", tmp_path / "model.pt")
    assert "'model.pt' is a TorchScript model. Save its weights" in line


def test_predict_says_where_a_label_should_not_be_relied_on(
    trained: dict[str, Any], roots: list[str | Path], tmp_path: Path
) -> None:
    Image.linear_gradient("L").save(tmp_path / "wall.tif")
    result = fer("predict", tmp_path / "wall.tif", *roots[:2], "--run", trained["id"])
    assert result.stdout.endswith("% (low confidence)\n")
    assert result.stderr == "wall.tif: no face detected; the full image was classified instead.\n"
