"""Faces in a photo: where they are, and how they are cropped like FER2013. `face_search.py` finds them."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from PIL import Image

from core.models import IMAGE_SIZE

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
        on_its_side = self.rotation in (90, 270)
        width, height = (self.height, self.width) if on_its_side else (self.width, self.height)
        side = max(1, round(margin * (WIDTH_FACTOR * width + HEIGHT_FACTOR * height)))
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
    return rotated(crop(photo, region.box), region.rotation)


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


def rotated(image: Image.Image, clockwise: int) -> Image.Image:
    """An image, rotated by 0, 90, 180 or 270 degrees."""
    turns = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
    return image.transpose(turns[clockwise]) if clockwise else image


assert IMAGE_SIZE <= _CROP_SIDE  # FER2013's own images are never searched
