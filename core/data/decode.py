"""Untrusted images: the one safe way from any bytes to pixels, and from pixels to the model input.

Photos come rotated, transparent, with 16 bits per channel or in CMYK, and Pillow silently turns several of these into
wrong pixels; an 89-byte file may ask for gigabytes. So everything is checked, and converted in a fixed order.
"""

import io
from contextlib import suppress
from typing import Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from core.errors import ImageError, display_name
from core.models import IMAGE_SIZE

MAX_IMAGE_BYTES: Final = 20_000_000
TOO_LARGE: Final = f"is too large (max {MAX_IMAGE_BYTES // 10**6} MB)"
"""What is wrong with an image of more bytes, as the end of a sentence."""
MAX_PIXELS: Final = 50_000_000
MAX_RATIO: Final = 50
"""Largest aspect ratio, longer to shorter side: no face fits on a longer strip, and none could be drawn on a page."""
FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF")

_TOO_MANY_PIXELS: Final = f"has too many pixels (max {MAX_PIXELS // 10**6} megapixels)"
_ACCEPTED: Final = "Use JPEG, PNG, WebP, BMP or GIF."

_GROUND: Final = 128
"""What shows through transparent pixels: neutral gray, since black or white would add an edge to the model input."""

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
"""Offset, signature and name of formats that people try, but the decoder does not support."""


def decode_image(data: bytes, name: str = "image") -> Image.Image:
    """Decode an image from a source that is not trusted.

    In this order: size in bytes, format, size in pixels, first frame, EXIF rotation, transparency over gray, 16 to 8
    bits, conversion to gray or RGB.

    Args:
        data: the content of a JPEG, PNG, WebP, BMP or GIF file of at most `MAX_IMAGE_BYTES`.
        name: what the user calls it, for the message; may be anything.

    Returns:
        An image of mode "L" where the file stores gray values, else "RGB" (palettes, too), upright, without metadata.

    Raises:
        ImageError: it cannot be decoded; the message says why and what to do.
    """
    if not data:
        raise unusable(name, "is empty", _ACCEPTED)
    if len(data) > MAX_IMAGE_BYTES:
        raise unusable(name, TOO_LARGE)
    try:
        with _open(data, name) as image:
            if image.width * image.height > MAX_PIXELS:
                raise unusable(name, _TOO_MANY_PIXELS)
            if max(image.size) > MAX_RATIO * min(image.size):
                size = f"{image.width}×{image.height}"
                raise unusable(name, f"has too extreme an aspect ratio ({size})", "Crop it to the face.")
            image.load()
            _turn_upright(image)
            plain = _gray_or_rgb(image)
            plain = plain.copy() if plain is image else plain  # no longer tied to the file
    except ImageError:
        raise
    except Exception as error:  # a decoder may raise nearly anything on hostile bytes; no page may fall over it
        raise unusable(name, "is corrupt or incomplete", "Save it again as JPEG or PNG and retry.") from error
    plain.info = {}
    return plain


def unusable(name: str, reason: str, advice: str = "") -> ImageError:
    """The error about an image that cannot be used.

    Args:
        name: of the image; may be anything.
        reason: what is wrong with it, as the end of a sentence that begins with its name.
        advice: what to do, as a sentence.
    """
    return ImageError(f"'{display_name(name)}' {reason}.{advice and f' {advice}'}", reason)


def to_face(image: Image.Image) -> np.ndarray:
    """The full image as the model input: uint8 (48, 48), 0..255.

    Does what torchvision's `Grayscale` and `Resize((48, 48))` do to a PIL image, so the original project's weights get
    what they were trained on; a gray image of 48x48 comes out unchanged.
    """
    return np.array(image.convert("L").resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR))


def _open(data: bytes, name: str) -> Image.Image:
    """The image with its header read and no pixel decoded."""
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        if data.startswith(_SIGNATURES):
            raise  # one of ours, but its header is broken
        foreign = _foreign_format(data)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise unusable(name, _TOO_MANY_PIXELS) from None
    raise unusable(name, f"is {foreign}, which is not supported" if foreign else "is not a supported image", _ACCEPTED)


def _foreign_format(data: bytes) -> str | None:
    """The name of a format that is not one of `FORMATS`; None where nothing is recognised."""
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
    """Rotate the image as its EXIF data say. Corrupt EXIF data count as upright: the pixels are fine."""
    # The EXIF parser, too, raises nearly anything. In place, the pixels are rotated before the EXIF data are rewritten,
    # so what cannot be written does no harm.
    with suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)


def _gray_or_rgb(image: Image.Image) -> Image.Image:
    """An image of mode L or RGB, whatever mode the file has; the same object where nothing is to be done."""
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
