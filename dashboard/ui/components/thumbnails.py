"""Images in rows, each of which can be clicked."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import streamlit as st
from PIL import Image

from dashboard.ui.components.register import data_address, register_component

_thumbnails = register_component("thumbnails")

_LONGEST: Final = 320
"""Longest side in pixels: what is shown at half as much stays sharp on a fine screen."""


class SmallImage(NamedTuple):
    """A small copy of an image, about 10 kB."""

    src: str
    """A data URL."""
    width: int
    """Of the image itself, in pixels."""
    height: int


@dataclass(frozen=True)
class Thumbnail:
    """One of the images."""

    id: str
    image: SmallImage
    title: str
    """May hold anything."""
    note: str = ""
    """A few words after the title."""
    warns: bool = False
    """Whether the note is about something that is wrong."""
    boxes: tuple[tuple[float, float, float, float, str], ...] = ()
    """Frames around parts of it: left, top, width and height as fractions of its sides, and a colour."""


def small_image(image: Image.Image) -> SmallImage:
    """A small copy of an image.

    Args:
        image: RGB or gray.
    """
    scale = min(1.0, _LONGEST / max(image.size))
    width, height = (max(1, round(scale * side)) for side in image.size)
    copy = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return SmallImage(data_address(copy, "JPEG", quality=80), *image.size)


def thumbnails(
    images: Sequence[Thumbnail],
    label: str,
    key: str,
    *,
    on_choose: Callable[[str], None] | None = None,
    selected: str = "",
    height: int = 120,
    captions: bool = True,
) -> str | None:
    """Images in rows, each of which is a button. Returns the id of the one that was clicked just now.

    Args:
        images: with ids of their own.
        label: what they are, for screen readers.
        key: of the part.
        on_choose: called with the id of the clicked one before the page is drawn again.
        selected: id of the one that is marked.
        height: in pixels; the width follows from it.
        captions: show the titles and notes beneath; without, they are tooltips.
    """

    def chosen() -> None:
        if on_choose and (image := st.session_state[key].chosen) is not None:
            on_choose(image)

    data = {
        "images": [_as_data(image) for image in images],
        "label": label,
        "selected": selected,
        "height": height,
        "captions": captions,
    }
    result = _thumbnails(data=data, key=key, on_chosen_change=chosen)
    return None if result.chosen is None else str(result.chosen)


def _as_data(thumbnail: Thumbnail) -> dict[str, Any]:
    """As thumbnails.js takes it."""
    image = thumbnail.image
    return asdict(thumbnail) | {"src": image.src, "aspect": image.width / image.height, "image": None}
