"""Faces that are not upright, and small ones on large photos."""

import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.data.dataset import Split, load_split
from core.prediction import face_search as search
from core.prediction.face_search import find_faces
from core.prediction.faces import Face, Region, crop_region
from core.prediction.predictor import Detection, PhotoPrediction, Predictor
from core.runs.paths import RunPaths
from tests.conftest import PROJECT_ROOT

Box = tuple[int, int, int, int]
TURNS = (90, 180, 270)


@pytest.fixture(scope="module")
def test_split(real_root: Path) -> Split:
    return load_split(real_root, "fer2013", "test")


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load(RunPaths(PROJECT_ROOT / "runs", "reference-cnn-model-2").weights)


def background(width: int, height: int) -> Image.Image:
    """Blurred noise, in which there are edges but no face."""
    noise = np.random.default_rng(0).integers(60, 200, (height // 100 + 2, width // 100 + 2, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def pasted(split: Split, indices: Sequence[int], side: int, size: tuple[int, int], turn: int = 0) -> Image.Image:
    """A photo with real faces in a grid, each turned counterclockwise by so many degrees."""
    photo = background(*size)
    columns = int(np.ceil(np.sqrt(len(indices) * size[0] / size[1])))
    rows = -(-len(indices) // columns)
    for number, index in enumerate(indices):
        face = Image.fromarray(np.array(split.images[index])).resize((side, side), Image.Resampling.BICUBIC)
        place = (size[0] // columns * (number % columns) + 20, size[1] // rows * (number // columns) + 20)
        photo.paste(face.rotate(turn), place)
    return photo


def back_in_place(box: Box, size: tuple[int, int], turn: int) -> Box:
    """The box of a photo that was turned counterclockwise, as it is in the photo before."""
    left, top, width, height = box
    for _ in range(turn // 90):  # clockwise by a quarter
        left, top, width, height, size = size[1] - top - height, left, height, width, (size[1], size[0])
    return left, top, width, height


def matched(upright: PhotoPrediction, turned: PhotoPrediction, size: tuple[int, int], turn: int) -> list[str | None]:
    """For each face of the photo as it was the label that it has in the turned photo; None where it is not found."""
    labels: list[str | None] = []
    for face in upright.faces:
        centre = np.array(face.box[:2]) + face.box[2] / 2
        same = [
            other.label
            for other in turned.faces
            for box in [back_in_place(other.box, size, turn)]
            if np.abs(np.array(box[:2]) + box[2] / 2 - centre).max() < face.box[2] / 4
        ]
        labels.append(same[0] if len(same) == 1 else None)
    return labels


@pytest.mark.real_data
def test_a_turned_photo_has_the_same_faces_and_labels(test_split: Split, predictor: Predictor) -> None:
    """Sixty single faces, turned without a word of it in the file."""
    count, same = 0, dict.fromkeys(TURNS, 0)
    for index in np.random.default_rng(5).choice(len(test_split), 60, replace=False):
        photo = pasted(test_split, [index], 200, (640, 480))
        upright = predictor.predict(photo)
        if upright.detection is not Detection.FACES:
            continue
        count += len(upright.faces)
        for turn in TURNS:
            image = photo.rotate(turn, expand=True)
            labels = matched(upright, predictor.predict(image), image.size, turn)
            same[turn] += sum(label == face.label for label, face in zip(labels, upright.faces, strict=True))
    assert count >= 55
    assert min(same.values()) >= 0.96 * count, (same, count)


@pytest.mark.real_data
def test_upright_faces_stay_upright(test_split: Split) -> None:
    """Also one whose score is 0.89 as it is and upside down (2834), and others that the detector is not sure of."""
    for index in (2834, 3236, 2486, 1829, *range(100, 130)):
        photo = pasted(test_split, [index], 200, (640, 480))
        as_it_is = search._search(search._sizes(photo), 0)
        if as_it_is:
            assert find_faces(photo) == as_it_is, index


@pytest.mark.real_data
@pytest.mark.parametrize("turn", TURNS)
def test_a_face_crop_that_is_turned_is_used_upright(test_split: Split, predictor: Predictor, turn: int) -> None:
    for index in (3, 14, 15):
        image = Image.fromarray(np.array(test_split.images[index])).resize((192, 192), Image.Resampling.BICUBIC)
        [upright] = predictor.predict(image).faces
        photo = predictor.predict(image.rotate(turn))
        assert photo.detection is Detection.FACE_CROP
        [face] = photo.faces
        assert (face.box, face.rotation) == ((0, 0, 192, 192), turn)
        np.testing.assert_array_equal(face.crop, upright.crop)


@pytest.mark.real_data
def test_one_face_upside_down_is_rotated_and_the_others_stay_as_they_are(test_split: Split) -> None:
    rotations = []
    for first in range(0, 60, 3):
        photo = pasted(test_split, [first, first + 1, first + 2], 200, (1200, 400))
        upside_down = photo.copy()
        upside_down.paste(photo.crop((20, 20, 220, 220)).rotate(180), (20, 20))
        before, after = find_faces(photo), find_faces(upside_down)
        assert all(face.rotation == 0 for face in before)
        others = [sorted(face.square() for face in each if face.left > 300) for each in (before, after)]
        assert np.abs(np.array(others[0]) - others[1]).max() <= 1  # the detector sees a little beyond the face
        assert all(face.rotation == 0 for face in after if face.left > 300)
        rotations += [face.rotation for face in after if face.left < 300]
    assert len(rotations) >= 8  # the others are missed, as they always were
    assert rotations.count(180) >= 0.8 * len(rotations), rotations


@pytest.mark.real_data
@pytest.mark.parametrize(("turn", "at_least", "draw"), [(0, 55, 1), (0, 55, 4), (180, 50, 1)])
def test_sixty_small_faces_on_24_megapixels(test_split: Split, turn: int, at_least: int, draw: int) -> None:
    """Draw 4 is the hardest of sixteen."""
    indices = np.random.default_rng(draw).choice(len(test_split), 60, replace=False)
    photo = pasted(test_split, list(indices), 110, (6000, 4000), turn)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        started, cpu = time.perf_counter(), time.process_time()
        found = find_faces(photo)
        # On a machine that is busy with something else, half the CPU time is what two cores would take.
        seconds = min(time.perf_counter() - started, (time.process_time() - cpu) / 2)
    finally:
        cv2.setNumThreads(threads)
    columns, rows = 10, 6
    cells = {
        (int((face.left + face.width / 2) // (6000 // columns)), int((face.top + face.height / 2) // (4000 // rows)))
        for face in found
    }
    assert len(found) == len(cells)  # none twice
    assert len(cells) >= at_least
    assert all(50 < face.width < 160 for face in found)
    assert sum(face.rotation == turn for face in found) >= at_least
    if not turn:
        assert seconds < 3


@pytest.mark.real_data
def test_small_faces_are_added_to_those_found_before_which_stay(
    test_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = pasted(test_split, [3, 14, 15, 20], 900, (5000, 4000))
    photo.paste(pasted(test_split, [30], 110, (150, 150)), (2300, 3700))
    both = find_faces(photo)
    monkeypatch.setattr(search, "_WORTH_A_LEVEL", 100)
    usual = find_faces(photo)
    assert len(usual) == 4
    assert both[:4] == usual
    assert [round(face.left, -2) for face in both[4:]] == [2300]


# --- without a detector


def as_detector(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Replaces the detector by one that finds squares with one dark side, which is the mouth; returns the sizes of the
    images it is shown."""
    shown = []

    def detect(image: Image.Image, threshold: float = 0.7) -> list[Face]:
        shown.append(image.size)
        gray = np.asarray(image.convert("L"))
        count, _, stats, _ = cv2.connectedComponentsWithStats((gray > 100).astype(np.uint8))
        found = []
        for left, top, width, height, _ in stats[1:count]:
            inside = gray[top : top + height, left : left + width].astype(int)
            depth = min(height, width) // 8  # not the very edge, which resizing blurs
            sides = {0: inside[-1 - depth], 90: inside[:, -1 - depth], 180: inside[depth], 270: inside[:, depth]}
            rotation = min(sides, key=lambda side: sides[side].sum())
            found.append(Face(float(left), float(top), float(width), float(height), 0.9, rotation))
        return found

    monkeypatch.setattr(search, "_detect", detect)
    return shown


def marked(size: tuple[int, int], boxes: Sequence[Box]) -> Image.Image:
    """An image of mode L, black but for squares of which the lowest quarter is darker."""
    pixels = np.zeros((size[1], size[0]), np.uint8)
    for left, top, width, height in boxes:
        pixels[top : top + height, left : left + width] = 250
        pixels[top + 3 * height // 4 : top + height, left : left + width] = 150
    return Image.fromarray(pixels)


def test_a_photo_of_upright_faces_is_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = as_detector(monkeypatch)
    [face] = find_faces(marked((1000, 800), [(100, 200, 80, 80)]))
    assert face.rotation == 0
    assert sorted(shown) == [(640, 512), (1000, 800)]


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("size", [(600, 400), (900, 1000)])
def test_each_rotation_is_undone_in_place(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], turn: int) -> None:
    as_detector(monkeypatch)
    boxes = [(50, 60, 160, 160), (300, 180, 100, 100)]
    image = marked(size, boxes).rotate(turn, expand=True)
    found = find_faces(image)
    assert [face.rotation for face in found] == [turn, turn]
    for face, box in zip(found, boxes, strict=True):
        place = back_in_place((face.left, face.top, face.width, face.height), image.size, turn)  # type: ignore[arg-type]
        assert np.abs(np.array(place) - box).max() <= 2
        region = Region(tuple(map(round, (face.left, face.top, face.width, face.height))), face.rotation)  # type: ignore[arg-type]
        upright = np.asarray(crop_region(image, region)).astype(int)
        assert upright[: len(upright) // 2].mean() > upright[-len(upright) // 5 :].mean() + 50


def test_a_turned_face_among_upright_ones_does_not_cost_another_search(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = as_detector(monkeypatch)
    photo = marked((1000, 800), [(100, 200, 80, 80), (400, 200, 80, 80), (700, 200, 80, 80)])
    photo.paste(photo.crop((90, 190, 190, 290)).rotate(180), (90, 190))
    assert sorted(face.rotation for face in find_faces(photo)) == [0, 0, 180]
    assert len(shown) == 2


@given(st.integers(17, 9000))
def test_tiles_are_of_one_length_and_share_the_side_between_them(length: int) -> None:
    parts = search._tiles(length)
    assert len({part.end - part.start for part in parts}) == 1
    assert [parts[0].first, *(part.last for part in parts[:-1])] == [part.first for part in parts]
    assert all(0 <= part.start < part.end <= length and part.end - part.start <= 1280 for part in parts)
    assert parts[-1].last >= length
    for part in parts:  # what a small face reaches beyond the part is in the tile, or beyond the image
        assert part.start <= max(0, part.first - 64) and part.end >= min(length, part.last + 64)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_tiles_find_each_small_face_once_wherever_it_lies(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(17, 3000)), data.draw(st.integers(17, 3000))
    side = data.draw(st.integers(10, min(120, width - 1, height - 1)))
    left, top = data.draw(st.integers(0, width - side)), data.draw(st.integers(0, height - side))
    with pytest.MonkeyPatch.context() as patch:
        as_detector(patch)
        whole = [
            face
            for face in search._in_tiles(marked((width, height), [(left, top, side, side)]))
            if (face.width, face.height) == (side, side)
        ]
    assert [(face.left, face.top) for face in whole] == [(left, top)]


def test_a_tile_is_never_larger_than_the_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = as_detector(monkeypatch)
    find_faces(marked((8000, 6000), [(100, 200, 80, 80)]))
    assert max(max(size) for size in shown) <= 1280


@given(st.floats(0, 359.9), st.floats(0.3, 2), st.floats(-500, 500))
def test_the_landmarks_tell_the_quarter(roll: float, scale: float, shift: float) -> None:
    """A face rolled clockwise by an angle has to be rotated by what is missing to 360, to the nearest quarter."""
    upright = np.array([[-20, -25], [20, -25], [0, 0], [-15, 25], [15, 25]]) * scale
    angle = np.radians(roll)
    rolled = upright @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) + shift
    rest = (search._rotation(rolled.ravel()) + roll + 180) % 360 - 180
    assert abs(rest) <= 45.01
