"""Sample images for a first prediction, so that nobody needs a photo at hand: one photo in the public domain, and faces
drawn by our own code.

`astronaut.jpg` is NASA's portrait of the astronaut Eileen Collins, https://flic.kr/p/r9qvLn, in the public domain; the
file is the one that scikit-image ships, as a JPEG.
"""

import io
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from PIL import Image

from core.data.importers.drawing import draw_portrait
from core.labels import LABELS
from core.prediction.pictures import ImageFile
from dashboard.ui.components.thumbnails import Thumbnail, small_image, thumbnails

PARAMETER: Final = "sample"
"""Of the Predict page's address."""

_SIDE: Final = 480
_GROUP: Final = (("happy", 27), ("neutral", 47), ("surprise", 50), ("angry", 20), ("sad", 14), ("fear", 51))
"""Expression and seed of each face, in rows of three."""


class Sample(NamedTuple):
    """An image to try."""

    title: str
    note: str
    make: Callable[[], bytes]


def _photo() -> bytes:
    return Path(__file__).with_name("astronaut.jpg").read_bytes()


def _portrait(label: str, seed: int, side: int = _SIDE) -> Image.Image:
    index = LABELS.index(label)
    return draw_portrait(index, np.random.default_rng([seed, index]), side)


def _drawn(label: str, seed: int) -> bytes:
    return _encoded(_portrait(label, seed))


def _group() -> bytes:
    side = 320
    image = Image.new("RGB", (3 * side, 2 * side))
    for number, (label, seed) in enumerate(_GROUP):
        image.paste(_portrait(label, seed, side), (number % 3 * side, number // 3 * side))
    return _encoded(image)


def _encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


SAMPLE_IMAGES: Final = {
    "photo": Sample("Astronaut", "Photo: NASA", _photo),
    "surprise": Sample("Surprise", "Drawn face", partial(_drawn, "surprise", 52)),
    "group": Sample("Six faces", "Drawn faces", _group),
    "anger": Sample("Anger", "Drawn face", partial(_drawn, "angry", 45)),
    "sadness": Sample("Sadness", "Drawn face", partial(_drawn, "sad", 36)),
}
"""By their name in the address. The seeds are those of faces that the shipped models classify as they are meant."""


@cache
def _content(name: str) -> bytes:
    return SAMPLE_IMAGES[name].make()


def sample_image(name: str) -> ImageFile:
    """A sample as the image file that a prediction is made for.

    Args:
        name: one of `SAMPLE_IMAGES`.
    """
    return ImageFile(f"{SAMPLE_IMAGES[name].title}.jpg", partial(_content, name), f"sample-{name}")


@cache
def _thumbnail(name: str) -> Thumbnail:
    sample = SAMPLE_IMAGES[name]
    return Thumbnail(name, small_image(Image.open(io.BytesIO(_content(name)))), sample.title, sample.note)


def sample_gallery(
    key: str,
    *,
    on_choose: Callable[[str], None] | None = None,
    selected: str = "",
    count: int = len(SAMPLE_IMAGES),
    height: int = 120,
    captions: bool = True,
) -> str | None:
    """The samples, to be clicked. Returns the name of the one that was clicked just now.

    Args:
        key: of the part.
        on_choose: called with that name before the page is drawn again.
        selected: name of the one that is marked.
        count: how many are offered.
        height: in pixels.
        captions: show their titles.
    """
    shown = [_thumbnail(name) for name in list(SAMPLE_IMAGES)[:count]]
    return thumbnails(
        shown, "Sample images", key, on_choose=on_choose, selected=selected, height=height, captions=captions
    )
