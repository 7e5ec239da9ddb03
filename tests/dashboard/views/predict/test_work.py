"""What the page computes: the same as the pipeline, and only what is new."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.prediction.batch import predict_images, read_and_crop
from core.prediction.pictures import ImageFile
from core.prediction.predictor import FaceCrops, Predictor
from dashboard.views.predict import work
from dashboard.views.predict.memory import Memory
from dashboard.views.predict.models import Model
from tests.dashboard.views.predict.conftest import crop
from tests.dashboard_fixtures import FakeRun


def test_the_page_says_what_the_pipeline_says_and_computes_only_what_is_new(
    run: FakeRun, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, looked_at = Memory(), []

    def frame(picture: ImageFile, **options: Any) -> FaceCrops:
        looked_at.append(picture.key)
        return read_and_crop(picture, **options)

    monkeypatch.setattr(work, "memory", lambda: kept)
    monkeypatch.setattr("core.prediction.batch.read_and_crop", frame)
    models = [Model(key, key, lambda: Predictor.load(run.paths.weights)) for key in "ab"]
    pictures = [ImageFile("face.png", partial(crop, demo_root, number), str(number)) for number in range(3)]
    pictures[1] = ImageFile("face.png", lambda: b"broken", "1")

    def results(count: int) -> list[work.Result]:
        return work.results(pictures[:count], models, False, 1.0, lambda *_: None)

    results(2)
    found = results(3)
    assert looked_at == ["0", "1", "2"]  # once for both models
    expected = list(predict_images(models[0].load(), pictures))
    for result, photo in zip(found, expected, strict=True):
        assert [each.problem for each in result.photos] == [photo.problem] * 2
        for each in result.photos:
            for face, same in zip(each.faces, photo.faces, strict=True):
                np.testing.assert_allclose(face.probabilities, same.probabilities, atol=1e-6)
    assert [bool(result.problem) for result in found] == [False, True, False]
