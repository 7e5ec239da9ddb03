"""Untrusted images: the one safe way from any bytes to pixels, and from pixels to the model input.

Photos come rotated, transparent, with 16 bits per channel or in CMYK, and Pillow silently turns several of these into
wrong pixels; an 89-byte file may ask for gigabytes. So everything is checked, and converted in a fixed order.
"""

import io
import logging
import struct
import warnings
from contextlib import suppress
from typing import Final

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from core.errors import ImageError, display_name
from core.models import IMAGE_SIZE

MAX_IMAGE_BYTES: Final = 20_000_000
TOO_LARGE: Final = f"is too large (max {MAX_IMAGE_BYTES // 10**6} MB)"
"""What is wrong with an image of more bytes, as the end of a sentence."""
MAX_PIXELS: Final = 50_000_000
MAX_RATIO: Final = 50
"""Largest aspect ratio, longer to shorter side: no face fits on a longer strip, and none could be drawn on a page."""
FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "JPEG2000", "BMP", "GIF", "PPM")
"""As Pillow names them; HEIC, which it leaves to another package, is read too."""
FORMAT_NAMES: Final = "JPEG, PNG, WebP, TIFF, AVIF, HEIC, JPEG 2000, BMP, GIF or PGM"
"""All that is read, for people; PPM and PBM are as PGM."""

_MAX_SCANS: Final = 500
"""Of a JPEG image. Encoders make about ten; each takes as long as all pixels do, in a hundred bytes."""

_TOO_MANY_PIXELS: Final = f"has too many pixels (max {MAX_PIXELS // 10**6} megapixels)"
_ACCEPTED: Final = f"Use {FORMAT_NAMES}."

_SAVE_WITH_8_BITS: Final = "Save it again with 8 or 16 bits per channel."
_RAW: Final = "a raw camera image"

_GROUND: Final = 128
"""What shows through transparent pixels: neutral gray, since black or white would add an edge to the model input."""

_SIGNATURES: Final = (
    (0, b"\xff\xd8\xff"),
    (0, b"\x89PNG"),
    (0, b"GIF8"),
    (0, b"II*\0"),
    (0, b"MM\0*"),
    (0, b"\0\0\0\x0cjP  "),
    (4, b"ftypavi"),
    (4, b"ftypmif1"),
    (4, b"ftypmsf1"),
)
"""Offset and signature of formats that are read: such a file that cannot be opened is a corrupt one."""

_HEIF_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")

_FOREIGN: Final = (
    (0, b"%PDF", "a PDF document"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (0, b"\0\0\1\0", "an icon file"),
    (0, b"PK\3\4", "a zip file"),
    (0, b"\x1f\x8b", "a gzip file"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (4, b"ftypcrx ", _RAW),
    (4, b"ftyp", "a video"),
)
"""Offset, signature and name of formats that people try, but the decoder does not support."""

_SCAN: Final = b"\xff\xda"
"""The marker before a scan of a JPEG image, which nothing inside one can be."""

# TIFF tags
_SUBFILE_TYPE, _BITS, _PHOTOMETRIC, _DNG_VERSION = 254, 258, 262, 50706
_WHITE_IS_ZERO: Final = 0

# Pillow warns of damage that is no concern of a user, on the terminal of a command or in the log of the server. For the
# whole process, since `warnings.catch_warnings` is not safe in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL + 1)


def decode_image(data: bytes, name: str = "image") -> Image.Image:
    """Decode an image from a source that is not trusted.

    In this order: size in bytes, format, size in pixels, first frame or page, EXIF rotation, transparency over gray,
    16 to 8 bits, conversion to gray or RGB.

    Args:
        data: the content of a file in one of `FORMATS`, or of a HEIC file, of at most `MAX_IMAGE_BYTES`.
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
            if image.format in ("JPEG", "MPO") and data.count(_SCAN) > _MAX_SCANS:
                raise unusable(name, f"has too many scans (max {_MAX_SCANS})", "Save it again as JPEG or PNG.")
            if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):  # PGM says its white
                raise unusable(name, "has values without a known black and white", _SAVE_WITH_8_BITS)
            image.load()
            _turn_upright(image)
            plain = _gray_or_rgb(image)
            plain = plain.copy() if plain is image else plain  # no longer tied to the file
    except ImageError:
        raise
    except Exception as error:  # a decoder may raise nearly anything on hostile bytes; no page may fall over it
        if (shorter := _without_metadata(data)) != data:
            return decode_image(shorter, name)
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

    What torchvision's `Grayscale` and `Resize((48, 48), InterpolationMode.LANCZOS)` make of a PIL image; a gray image
    of 48x48 comes out unchanged. torchvision's default, a bilinear filter, makes faces from photos smoother, compared
    with FER2013's images, than they need be; core/README.md has the figures (Smooth faces).
    """
    return np.array(image.convert("L").resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS))


def _open(data: bytes, name: str) -> Image.Image:
    """The image with its header read and no pixel decoded."""
    is_heif = _is_heif(data)
    if is_heif and not _register_heif():
        raise unusable(name, "is a HEIC photo, which needs the Python package pi-heif", "Use JPEG or PNG.")
    try:
        image = Image.open(io.BytesIO(data), formats=("HEIF",) if is_heif else FORMATS)
    except UnidentifiedImageError:
        if is_heif or any(data.startswith(signature, offset) for offset, signature in _SIGNATURES):
            raise  # one of ours, but its header is broken
        foreign = _foreign_format(data)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise unusable(name, _TOO_MANY_PIXELS) from None
    else:
        if not _is_raw(image, data):
            return image
        foreign = _RAW
    raise unusable(name, f"is {foreign}, which is not supported" if foreign else "is not a supported image", _ACCEPTED)


def _is_heif(data: bytes) -> bool:
    """Whether these are the bytes of an image in HEVC, of the container that AVIF uses too."""
    if data[4:8] != b"ftyp":
        return False
    size = int.from_bytes(data[:4], "big")
    brands = [data[start : start + 4] for start in (8, *range(16, min(size, 256), 4))]
    return not {b"avif", b"avis"} & set(brands) and any(brand in _HEIF_BRANDS for brand in brands)


def _register_heif() -> bool:
    """Whether Pillow can open HEIC files now."""
    try:
        import pi_heif
    except ImportError:
        return False
    pi_heif.register_heif_opener(thumbnails=False)
    return True


def _is_raw(image: Image.Image, data: bytes) -> bool:
    """Whether it is a raw camera image: a TIFF file whose first page is only a preview."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return False
    is_preview = bool(tags.get(_SUBFILE_TYPE, 0) & 1)
    return is_preview or _DNG_VERSION in tags or data[8:10] == b"CR"


def _without_metadata(data: bytes) -> bytes:
    """A PNG file without its texts and color profile, the same bytes otherwise: Pillow refuses files in which one of
    them unpacks to more than a megabyte, as image generators and editors write them."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    kept, start = [data[:8]], 8
    while start + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        end = start + length + 12
        if kind not in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
            kept.append(data[start:end])
        start = end
    return b"".join([*kept, data[start:]])


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
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(lab, srgb, "LAB", "RGB").apply(image)
    if image.has_transparency_data:
        return _over_ground(image)
    mode = "L" if image.mode in ("1", "L") else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _from_16_bit(image: Image.Image) -> Image.Image:
    """Gray of up to 16 bits to 0..255; convert("L") would cut off everything above 255."""
    tags = getattr(image, "tag_v2", {})
    white = 2 ** tags.get(_BITS, (16,))[0] - 1
    values = np.asarray(image).astype(np.int64).clip(0, white)
    gray = ((255 * values + white // 2) // white).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # inverted by Pillow up to 8 bits only
        gray = 255 - gray
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
