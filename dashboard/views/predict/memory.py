"""What the Predict page remembers of each visitor."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import streamlit as st
from PIL import Image

from dashboard.ui.components.thumbnails import SmallImage

if TYPE_CHECKING:
    from core.prediction.predictor import FaceCrops, PhotoPrediction


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
