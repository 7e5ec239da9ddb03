"""A confusion matrix as a picture, for programs that show pictures only."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from core.labels import LABELS

if TYPE_CHECKING:
    from PIL.Image import Image

_CELL: Final = 64
_LEFT, _TOP = 96, 48
"""Pixels for the names of the rows and of the columns."""
_DARKEST: Final = (8, 48, 107)


def draw_confusion(confusion: Sequence[Sequence[int]]) -> "Image":
    """Counts in cells that are the darker, the larger their share of the row.

    Args:
        confusion: (7, 7) counts; rows are true classes, columns predicted ones.
    """
    from PIL import Image, ImageDraw, ImageFont

    size = len(LABELS) * _CELL
    image = Image.new("RGB", (_LEFT + size + 8, _TOP + size + 8), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    draw.text((8, 8), "true \\ predicted", fill="dimgray", font=ImageFont.load_default(11))
    for index, label in enumerate(LABELS):
        middle = int((index + 0.5) * _CELL)
        draw.text((_LEFT - 8, _TOP + middle), label, fill="black", font=font, anchor="rm")
        draw.text((_LEFT + middle, _TOP - 10), label, fill="black", font=font, anchor="ms")
    for row, counts in enumerate(confusion):
        total = sum(counts) or 1
        for column, count in enumerate(counts):
            share = count / total
            left, top = _LEFT + column * _CELL, _TOP + row * _CELL
            shade = tuple(round(255 + (dark - 255) * share) for dark in _DARKEST)
            draw.rectangle((left, top, left + _CELL - 2, top + _CELL - 2), fill=shade)
            ink = "white" if share > 0.5 else "black"
            draw.text((left + _CELL // 2, top + _CELL // 2), f"{count:,}", fill=ink, font=font, anchor="mm")
    return image
