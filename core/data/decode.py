"""Pictures from outside: the one safe way from any bytes to pixels, and from pixels to what the network sees.

Photos come turned, transparent, 16 bits deep or in printers' colours, and Pillow turns several of these into wrong
pixels without a word; an 89-byte file may ask for gigabytes. So everything is checked, and converted in a fixed order.
"""

import io
from contextlib import suppress
from typing import Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from core.errors import ImageError, display_name
from core.models import IMAGE_SIZE

MAX_IMAGE_BYTES: Final = 20_000_000
MAX_PIXELS: Final = 50_000_000
MAX_RATIO: Final = 50
"""Of the longer to the shorter side: no face fits on a longer strip, and none could be drawn on a page."""
FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF")

_TOO_MANY_PIXELS: Final = f"more than {MAX_PIXELS // 10**6} megapixels: save it smaller and try again."

_GROUND: Final = 128
"""What shows through transparent pixels: neutral gray, since black or white would be an edge to the network."""

_SIGNATURES: Final = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8")

_FOREIGN: Final = (
    (0, b"%PDF", "a PDF document"),
    (0, b"II*\0", "a TIFF or raw camera image"),
    (0, b"MM\0*", "a TIFF or raw camera image"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (0, b"\0\0\1\0", "an icon file"),
    (0, b"PK\3\4", "a zip file"),
    (0, b"\x1f\x8b", "a gzip file"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (4, b"ftypavi", "an AVIF image"),
    (4, b"ftyphei", "a HEIC photo"),
    (4, b"ftyphev", "a HEIC photo"),
    (4, b"ftypmif1", "a HEIC photo"),
    (4, b"ftypmsf1", "a HEIC photo"),
    (4, b"ftyp", "a video"),
)
"""Offset, signature and name of what people try, but the decoder does not read."""


def decode_image(data: bytes, name: str = "image") -> Image.Image:
    """Decode a picture from a source that is not trusted.

    In this order: size in bytes, format, size in pixels, first frame, EXIF rotation, transparency over gray, 16 to 8
    bits, colours to gray or RGB.

    Args:
        data: the content of a JPEG, PNG, WebP, BMP or GIF file of at most `MAX_BYTES`.
        name: what the user calls it, for the message; may be anything.

    Returns:
        A picture of mode "L" where the file stores gray values, else "RGB" (palettes, too), upright, without metadata.

    Raises:
        ImageError: it cannot be decoded; one sentence says why and what to do.
    """
    shown = f"'{display_name(name)}'"
    if not data:
        raise ImageError(f"{shown} is empty: choose a JPEG, PNG, WebP, BMP or GIF picture.")
    if len(data) > MAX_IMAGE_BYTES:
        raise ImageError(f"{shown} has more than {MAX_IMAGE_BYTES // 10**6} MB: save it smaller and try again.")
    try:
        with _open(data, shown) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(f"{shown} has {_TOO_MANY_PIXELS}")
            if max(image.size) > MAX_RATIO * min(image.size):
                size = f"{image.width} by {image.height}"
                raise ImageError(
                    f"{shown} is {size} pixels, too long a strip for a face: cut out the part with the face."
                )
            image.load()
            _turn_upright(image)
            plain = _gray_or_rgb(image)
            plain = plain.copy() if plain is image else plain  # no longer tied to the file
    except ImageError:
        raise
    except Exception as error:  # a decoder may raise nearly anything on hostile bytes; no page may fall over it
        raise ImageError(f"{shown} is damaged or incomplete: save it again as JPEG or PNG and retry.") from error
    plain.info = {}
    return plain


def to_face(image: Image.Image) -> np.ndarray:
    """The whole picture as the network sees it: uint8 (48, 48), 0..255.

    Does what torchvision's `Grayscale` and `Resize((48, 48))` do to a PIL image, so the original project's weights get
    what they were trained on; a gray picture of 48x48 comes out unchanged.
    """
    return np.array(image.convert("L").resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR))


def _open(data: bytes, shown: str) -> Image.Image:
    """The header read, no pixel decoded."""
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        if data.startswith(_SIGNATURES):
            raise  # one of ours, but its header is broken
        foreign = _foreign_format(data)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"{shown} has {_TOO_MANY_PIXELS}") from None
    if foreign:
        raise ImageError(f"{shown} is {foreign}, which cannot be read here: save it as JPEG or PNG and try again.")
    raise ImageError(f"{shown} is not a picture that can be read: choose a JPEG, PNG, WebP, BMP or GIF file.")


def _foreign_format(data: bytes) -> str | None:
    """What a file is that is not one of `FORMATS`, in words; None where nothing is recognised."""
    for offset, signature, title in _FOREIGN:
        if data.startswith(signature, offset):
            return title
    start = data[:2000].lower()
    if b"<svg" in start:
        return "an SVG drawing"
    if b"<html" in start or b"<!doctype html" in start:
        return "a web page"
    return None


def _turn_upright(image: Image.Image) -> None:
    """Turn the picture as its EXIF data say. Damaged EXIF data count as upright: the pixels are fine."""
    # The EXIF parser, too, raises nearly anything. In place, the pixels are turned before the EXIF data are written
    # anew, so what cannot be written does no harm.
    with suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)


def _gray_or_rgb(image: Image.Image) -> Image.Image:
    """A picture of mode L or RGB, whatever mode the file has; the same object where nothing is to be done."""
    if image.mode.startswith("I"):
        return _from_16_bit(image)
    if image.has_transparency_data:
        return _over_ground(image)
    mode = "L" if image.mode in ("1", "L") else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _from_16_bit(image: Image.Image) -> Image.Image:
    """Gray of 0..65535 to 0..255; convert("L") would cut off everything above 255."""
    values = np.asarray(image).astype(np.int64).clip(0, 65535)
    gray = ((values + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        gray[values == transparent] = _GROUND
    return Image.fromarray(gray)


def _over_ground(image: Image.Image) -> Image.Image:
    gray = image.mode in ("1", "L", "LA")
    with_alpha = "LA" if gray else "RGBA"
    layered = image if image.mode == with_alpha else image.convert(with_alpha)
    mode = "L" if gray else "RGB"
    ground = Image.new(mode, image.size, _GROUND if gray else (_GROUND,) * 3)
    ground.paste(layered.convert(mode), mask=layered.getchannel("A"))
    return ground
