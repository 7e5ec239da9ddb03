"""`predict`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.labels import LABELS
from tests.core.cli.conftest import fer


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


def test_predict_says_where_a_label_should_not_be_relied_on(
    trained: dict[str, Any], roots: list[str | Path], tmp_path: Path
) -> None:
    Image.linear_gradient("L").save(tmp_path / "wall.tif")
    result = fer("predict", tmp_path / "wall.tif", *roots[:2], "--run", trained["id"])
    assert result.stdout.endswith("% (low confidence)\n")
    assert result.stderr == "wall.tif: no face detected; the full image was classified instead.\n"
