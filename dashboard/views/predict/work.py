"""What the Predict page computes, and remembers of each visitor: the predictions of each model for each image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

import streamlit as st
from PIL import Image

from core.data.decode import decode_image
from core.errors import display_name
from core.prediction.pictures import ImageFile
from dashboard.views.predict.models import Model

if TYPE_CHECKING:
    from core.prediction.predictor import FaceCrops, PhotoPrediction

SHOWN_SIDE: Final = 1000
"""Longest side at which a photo is shown, in pixels."""


@dataclass
class Memory:
    """What one visitor's page keeps between its script runs, by the keys of image and model and the crop; an image
    takes a few kilobytes here."""

    framed: dict[tuple, "FaceCrops"] = field(default_factory=dict)
    predicted: dict[tuple, "PhotoPrediction"] = field(default_factory=dict)
    last: tuple[str, Image.Image, float] | None = None
    """The photo on display: its key, itself at the size it is shown, and the scale of that."""

    def forget_all_but(self, keys: set[str]) -> None:
        """Drop what is about removed images."""
        self.framed = {key: value for key, value in self.framed.items() if key[0] in keys}
        self.predicted = {key: value for key, value in self.predicted.items() if key[0] in keys}
        if self.last and self.last[0] not in keys:
            self.last = None


@dataclass(frozen=True)
class Result:
    """An image, and the prediction of each model."""

    image_file: ImageFile
    photos: tuple["PhotoPrediction", ...]

    @property
    def name(self) -> str:
        """Safe to show, except as Markdown."""
        return display_name(self.image_file.name)

    @property
    def problem(self) -> str:
        """Why it is unreadable, the same for all models."""
        return self.photos[0].problem


def memory() -> Memory:
    """This visitor's."""
    return cast(Memory, st.session_state.setdefault("predict-memory", Memory()))


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
            kept.framed[key] = read_and_crop(image_file, whole=whole, margin=margin)
        return kept.framed[key]

    for model in models:
        new = [image_file for image_file in image_files if (image_file.key, model.key, *cut) not in kept.predicted]
        for image_file, photo in zip(new, predict_images(model.load(), new, framed), strict=True):
            kept.predicted[image_file.key, model.key, *cut] = photo
    return [
        Result(image_file, tuple(kept.predicted[image_file.key, model.key, *cut] for model in models))
        for image_file in image_files
    ]


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
