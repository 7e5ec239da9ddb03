"""What the Predict page computes: the predictions of each model for each image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from PIL import Image

from core.data.decode import decode_image
from core.errors import display_name
from core.prediction.pictures import ImageFile
from dashboard.ui.components.thumbnails import small_image
from dashboard.views.predict.memory import Memory, memory
from dashboard.views.predict.models import Model

if TYPE_CHECKING:
    from core.prediction.predictor import FaceCrops, PhotoPrediction

SHOWN_SIDE: Final = 1000
"""Longest side at which a photo is shown, in pixels."""


@dataclass(frozen=True)
class Result:
    """An image, and the prediction of each model."""

    image_file: ImageFile
    photos: tuple["PhotoPrediction", ...]

    @property
    def key(self) -> str:
        """Of the image."""
        return self.image_file.key

    @property
    def no_face(self) -> bool:
        """No face was detected, and the full image was classified instead."""
        return any(face.no_face for face in self.photos[0].faces)

    @property
    def name(self) -> str:
        """Safe to show, except as Markdown."""
        return display_name(self.image_file.name)

    @property
    def problem(self) -> str:
        """Why it is unreadable, the same for all models."""
        return self.photos[0].problem


def results(
    image_files: Sequence[ImageFile],
    models: Sequence[Model],
    whole: bool,
    margin: float,
    progress: Callable[[float, str], object],
) -> list[Result]:
    """The predictions of each model for each image. Only what is new is computed: a visitor who adds a photo to a
    hundred waits for one, and one who interrupts the page loses nothing.

    Args:
        image_files: with their keys.
        models: one or two; faces are detected once for all.
        whole: skip face detection.
        margin: crop margin; 1 is FER2013's framing.
        progress: called with the fraction that is done, and the progress in words.
    """
    from core.prediction.batch import predict_images, read_and_crop

    kept, cut = memory(), (whole, 1.0 if whole else margin)
    places = {image_file.key: place for place, image_file in enumerate(image_files)}
    kept.forget_all_but(set(places))

    def framed(image_file: ImageFile) -> "FaceCrops":
        key, place = (image_file.key, *cut), places[image_file.key]
        if key not in kept.framed:
            progress(place / len(image_files), f"{place + 1:,} of {len(image_files):,} images")
            look = partial(_keep_thumbnail, kept, image_file.key)
            kept.framed[key] = read_and_crop(image_file, whole=whole, margin=margin, look=look)
        return kept.framed[key]

    for model in models:
        new = [image_file for image_file in image_files if (image_file.key, model.key, *cut) not in kept.predicted]
        for image_file, photo in zip(new, predict_images(model.load(), new, framed), strict=True):
            kept.predicted[image_file.key, model.key, *cut] = photo
    return [
        Result(image_file, tuple(kept.predicted[image_file.key, model.key, *cut] for model in models))
        for image_file in image_files
    ]


def _keep_thumbnail(kept: Memory, key: str, photo: Image.Image) -> None:
    if key not in kept.thumbnails:
        kept.thumbnails[key] = small_image(photo)


def photo_of(image_file: ImageFile) -> tuple[Image.Image, float]:
    """A photo at the size it is shown, and the scale of that; the last one is cached."""
    last = memory().last
    if last is None or last[0] != image_file.key:
        last = (image_file.key, *_shown(decode_image(image_file.read(), image_file.name)))
        memory().last = last
    return last[1], last[2]


def _shown(photo: Image.Image) -> tuple[Image.Image, float]:
    scale = min(1.0, SHOWN_SIDE / max(photo.size))
    width, height = (max(1, round(side * scale)) for side in photo.size)
    return photo.convert("RGB").resize((width, height)), scale
