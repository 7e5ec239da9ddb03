"""The sample images: whoever clicks one for a first prediction sees faces found and expressions recognised."""

import io

import pytest
from PIL import Image

from core.prediction.batch import read_and_crop
from core.prediction.predictor import Detection, Predictor
from dashboard.ui.samples import SAMPLE_IMAGES, sample_image
from tests.conftest import PROJECT_ROOT

MEANT = {
    "photo": ["happy"],
    "surprise": ["surprise"],
    "group": ["angry", "fear", "happy", "neutral", "sad", "surprise"],
    "anger": ["angry"],
    "sadness": ["sad"],
}


@pytest.fixture(scope="module", params=["reference-cnn-model-2", "reference-distilled-2"])
def shipped(request: pytest.FixtureRequest) -> Predictor:
    return Predictor.of_run(request.param, PROJECT_ROOT / "runs")


@pytest.mark.parametrize("name", SAMPLE_IMAGES)
def test_the_shipped_model_classifies_a_sample_as_it_is_meant(name: str, shipped: Predictor) -> None:
    [photo] = shipped.classify([read_and_crop(sample_image(name))])
    assert photo.detection is Detection.FACES
    assert sorted(face.label for face in photo.faces) == MEANT[name]


@pytest.mark.parametrize("name", SAMPLE_IMAGES)
def test_a_sample_is_the_same_photo_each_time(name: str) -> None:
    data = SAMPLE_IMAGES[name].make()
    assert data == SAMPLE_IMAGES[name].make() == sample_image(name).read()
    assert min(Image.open(io.BytesIO(data)).size) >= 480
