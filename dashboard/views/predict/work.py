"""What the Predict page computes, and remembers of each visitor: the predictions of each model for each image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import streamlit as st
from PIL import Image

from core.data.decode import decode_image
from core.errors import display_name
from core.prediction.pictures import ImageFile
from dashboard.ui.components.thumbnails import SmallImage, small_image
from dashboard.views.predict.models import Model

if TYPE_CHECKING:
    from core.prediction.predictor import FaceCrops, PhotoPrediction

SHOWN_SIDE: Final = 1000
"""Longest side at which a photo is shown, in pixels."""


@dataclass
class Memory:
    """What one visitor's page keeps between its script runs, by the keys of image and model and the crop; an image
    takes about 20 kB here, and `uploads.py` bounds the uploads."""

    framed: dict[tuple, "FaceCrops"] = field(default_factory=dict)
    predicted: dict[tuple, "PhotoPrediction"] = field(default_factory=dict)
    thumbnails: dict[str, SmallImage] = field(default_factory=dict)
    """By the key of the image."""
    uploads: dict[str, list[Any]] = field(default_factory=dict)
    """What each upload widget holds, by its key; outlives the widget."""
    kept: list[Any] = field(default_factory=list)
    """Uploads of earlier visits to the page."""
    selected: tuple[str, int] = ("", 0)
    """The image on display among several, by its key, and the position of its face."""
    last: tuple[str, Image.Image, float] | None = None
    """The photo on display: its key, itself at the size it is shown, and the scale of that."""

    def forget_all_but(self, keys: set[str]) -> None:
        """Drop what is about removed images."""
        self.framed = {key: value for key, value in self.framed.items() if key[0] in keys}
        self.predicted = {key: value for key, value in self.predicted.items() if key[0] in keys}
        self.thumbnails = {key: value for key, value in self.thumbnails.items() if key in keys}
        if self.last and self.last[0] not in keys:
            self.last = None


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


def memory() -> Memory:
    """This visitor's."""
    return cast(Memory, st.session_state.setdefault("predict-memory", Memory()))


def start_again(key: str, about: object, value: object) -> None:
    """Before a widget is drawn: give it this value wherever it is about something else than before. It stays the same
    widget, while one with a key of its own for each thing would leave its predecessor on the page for as long as the
    page computes.

    Args:
        key: of the widget.
        about: what it is about.
        value: to start with.
    """
    known = st.session_state.setdefault("predict-about", {})
    if known.get(key) != about or key not in st.session_state:
        known[key] = about
        st.session_state[key] = value


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
