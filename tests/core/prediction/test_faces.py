"""Faces: found on photos that have some, not found on photos that have none, cut out as FER2013 is cut."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_sample_images

from core.data.dataset import Split, load_split
from core.labels import LABELS
from core.models.cnn import build_model
from core.prediction.batch import prediction_rows
from core.prediction.face_search import find_faces
from core.prediction.faces import Face, crop, is_face_crop
from core.prediction.predictor import Detection, Predictor

HAPPY = LABELS.index("happy")


@pytest.fixture(scope="module")
def landscape() -> Image.Image:
    """A real photo, 640x427, with buildings and no face."""
    return Image.fromarray(load_sample_images().images[0])


@pytest.fixture(scope="module")
def real_train(real_root: Path) -> Split:
    return load_split(real_root, "fer2013", "train")


@pytest.fixture(scope="module")
def group(landscape: Image.Image, real_train: Split) -> tuple[Image.Image, list[tuple[int, int, int, int]]]:
    """Six real faces on a real photo, and where each was put."""
    photo = landscape.resize((1600, 1067))
    boxes = []
    for number, index in enumerate(np.flatnonzero(real_train.labels == HAPPY)[:6]):
        side = 150 + 30 * number
        face = Image.fromarray(np.array(real_train.images[index])).resize((side, side), Image.Resampling.BICUBIC)
        left, top = 60 + (number % 3) * 520, 80 + (number // 3) * 520
        photo.paste(face, (left, top))
        boxes.append((left, top, side, side))
    return photo, boxes


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(build_model("cnn-model-1"))


def centre_inside(square: tuple[int, int, int, int], box: tuple[int, int, int, int]) -> bool:
    x, y = square[0] + square[2] / 2, square[1] + square[3] / 2
    return box[0] < x < box[0] + box[2] and box[1] < y < box[1] + box[3]


@pytest.mark.real_data
def test_every_face_of_a_group_is_found_once_the_largest_first(
    group: tuple[Image.Image, list[tuple[int, int, int, int]]],
) -> None:
    photo, boxes = group
    faces = find_faces(photo)
    assert len(faces) == len(boxes)
    for box in boxes:
        assert sum(centre_inside(face.square(), box) for face in faces) == 1
    areas = [face.width * face.height for face in faces]
    assert areas == sorted(areas, reverse=True)


@pytest.mark.real_data
def test_cuts_are_framed_like_fer2013(real_train: Split) -> None:
    """Around a face that fills its picture as in FER2013, the cut is about as large as the picture."""
    ratios = []
    for index in np.random.default_rng(0).choice(len(real_train), 60, replace=False):
        picture = Image.fromarray(np.array(real_train.images[index])).resize((192, 192), Image.Resampling.BICUBIC)
        ratios += [face.square()[2] / 192 for face in find_faces(picture)[:1]]
    assert len(ratios) > 50
    assert 0.9 < float(np.median(ratios)) < 1.1


def test_a_photo_without_a_face_is_said_to_have_none(landscape: Image.Image, predictor: Predictor) -> None:
    assert find_faces(landscape) == []
    photo = predictor.predict(landscape)
    assert photo.detection is Detection.NO_FACE
    [face] = photo.faces
    assert (face.box, face.rotation, face.detection_score) == ((0, 0, 640, 427), 0, None)


def test_a_photo_without_a_face_has_low_confidence_however_sure_the_model_is(landscape: Image.Image) -> None:
    sure = Predictor(build_model("cnn-model-1"), temperature=1e-4)
    [face] = sure.predict(landscape).faces
    assert face.confidence > 0.99
    assert face.low_confidence and face.as_json()["low_confidence"]
    [row] = prediction_rows("coins.jpg", sure.predict(landscape))
    assert row["low_confidence"] is True and row["detection_score"] is None
    [face] = sure.predict(landscape, whole=True).faces  # there the user says that it is a face
    assert not face.low_confidence


@pytest.mark.real_data
def test_each_face_of_a_group_gets_its_own_prediction(
    group: tuple[Image.Image, list[tuple[int, int, int, int]]], predictor: Predictor
) -> None:
    photo = predictor.predict(group[0])
    assert photo.detection is Detection.FACES
    assert len(photo.faces) == 6
    assert all(face.crop.shape == (48, 48) for face in photo.faces)
    assert np.allclose([face.probabilities.sum() for face in photo.faces], 1, atol=1e-5)
    assert all(face.rotation == 0 and 0.7 <= face.as_json()["detection_score"] <= 1 for face in photo.faces)
    assert [row["detection_score"] for row in prediction_rows("group.jpg", photo)] == pytest.approx(
        [face.detection_score for face in photo.faces], abs=1e-6
    )
    whole = predictor.predict(group[0], whole=True)
    assert whole.detection is Detection.SKIPPED
    assert len(whole.faces) == 1


@pytest.mark.real_data
def test_a_fer2013_image_is_used_as_it_is(real_train: Split, predictor: Predictor) -> None:
    image = np.array(real_train.images[0])
    photo = predictor.predict(Image.fromarray(image))
    assert photo.detection is Detection.FACE_CROP
    assert np.array_equal(photo.faces[0].crop, image)


@pytest.mark.real_data
def test_threads_may_search_at_the_same_time(group: tuple[Image.Image, list[tuple[int, int, int, int]]]) -> None:
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: len(find_faces(group[0])), range(8)))
    assert counts == [6] * 8


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 400), (5000, 3), (65, 65)])
def test_odd_sizes_are_no_trouble(size: tuple[int, int], predictor: Predictor) -> None:
    photo = predictor.predict(Image.new("L", size, 90))
    assert len(photo.faces) == 1


def test_the_square_grows_with_the_margin_around_the_same_centre() -> None:
    face = Face(100, 50, 80, 100, 0.9)
    left, top, side, other = face.square()
    assert side == other == 96
    assert (left + side / 2, top + side / 2) == (140, 100)
    assert face.square(1.5)[2] == 144


def test_a_face_that_fills_its_picture_is_a_crop_already() -> None:
    picture = Image.new("L", (200, 200))
    assert is_face_crop(picture, [Face(10, 10, 160, 160, 0.9)])
    assert not is_face_crop(picture, [Face(10, 10, 100, 100, 0.9)])
    assert not is_face_crop(picture, [Face(0, 0, 160, 160, 0.9), Face(20, 20, 30, 30, 0.8)])
    assert not is_face_crop(picture, [])
    assert is_face_crop(Image.new("L", (64, 48)), [])


@given(st.integers(-30, 45), st.integers(-30, 35), st.integers(1, 60), st.integers(1, 60))
def test_what_is_cut_over_the_edge_repeats_it(left: int, top: int, width: int, height: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    cut = np.asarray(crop(Image.fromarray(pixels), (left, top, width, height)))
    rows = np.clip(np.arange(top, top + height), 0, 39)
    columns = np.clip(np.arange(left, left + width), 0, 49)
    assert np.array_equal(cut, pixels[rows][:, columns])


def test_the_model_file_is_the_one_that_was_measured() -> None:
    from core.prediction.face_search import _model_file

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Path(_model_file()).stat().st_size == 232_589
