"""A photo with a box around each face."""

from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from core.labels import COLOURS

_PLATE: Final = "#15181e"
"""Behind a name: white on it can be read on any photo, and beside any colour of a class."""


def boxed(
    photo: Image.Image, scale: float, boxes: Sequence[tuple[int, int, int, int]], names: Sequence[str], chosen: int
) -> Image.Image:
    """A photo with a box around each face in the colour of its class, its name on a plate; the selected one thicker.

    Args:
        photo: RGB, as it is shown.
        scale: its size, as a fraction of the original's.
        boxes: left, top, width, height in pixels of the original.
        names: of the faces, ending with their label.
        chosen: position of the selected one.
    """
    photo = photo.copy()
    draw = ImageDraw.Draw(photo)
    font = ImageFont.load_default(size=max(11, max(photo.size) / 36))
    thin = max(2, max(photo.size) // 250)
    for position in (*(each for each in range(len(boxes)) if each != chosen), chosen):  # the chosen one on top
        left, top, width, height = (round(value * scale) for value in boxes[position])
        colour = COLOURS[names[position].rsplit(" ", 1)[-1]]
        thick = thin * 2 if position == chosen and len(boxes) > 1 else thin
        draw.rectangle((left, top, left + width, top + height), outline=colour, width=thick)
        text = f" {names[position]} "
        _, _, wide, high = draw.textbbox((0, 0), text, font=font)
        x = min(max(0, left), max(0, photo.width - wide))
        y = top - high if top >= high else max(0, top)
        draw.rectangle((x, y, x + wide, y + high + thin), fill=_PLATE, outline=colour, width=max(1, thin // 2))
        draw.text((x, y), text, fill="white", font=font)
    return photo
