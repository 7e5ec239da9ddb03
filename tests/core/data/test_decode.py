"""Decoding untrusted images: correct where they are unusual, rejected with a clear message where they are bad."""

import io
import resource
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, PngImagePlugin

from core.data import decode
from core.data.decode import MAX_IMAGE_BYTES, decode_image, to_face
from core.errors import ImageError, display_name


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(width: int = 40, height: int = 24) -> Image.Image:
    """No two quarters alike, so that a wrong turn shows."""
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(
        np.stack([x * 255 // width, y * 255 // height, x * y * 255 // (width * height)], -1).astype("u1")
    )


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def refusal(data: bytes, name: str = "photo.jpg") -> str:
    """The message with which these bytes are rejected."""
    with pytest.raises(ImageError) as caught:
        decode_image(data, name)
    message = str(caught.value)
    assert message.startswith("'")
    assert message.endswith(".")
    assert "\n" not in message
    return message


# --- what is decoded


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_lossless_formats_keep_every_pixel(kind: str) -> None:
    decoded = decode_image(encode(gradient(), kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert decoded.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(decoded), np.asarray(gradient()))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "JPEG"])
def test_gray_stays_gray(kind: str) -> None:
    gray = gradient().convert("L")
    decoded = decode_image(encode(gray, kind))
    assert decoded.mode == "L"
    assert np.abs(np.asarray(decoded).astype(int) - np.asarray(gray)).max() <= (6 if kind == "JPEG" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_all_eight_exif_orientations_come_out_upright(orientation: int, kind: str) -> None:
    upright = gradient()
    # What a camera stores when held so: the picture turned the other way than the tag asks for.
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    decoded = decode_image(encode(stored, kind, exif=exif, **options))
    assert decoded.size == upright.size
    assert np.abs(np.asarray(decoded).astype(int) - np.asarray(upright)).max() <= 6


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientations_that_do_not_exist_count_as_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert decode_image(encode(gradient(), "JPEG", exif=exif)).size == (40, 24)


def test_damaged_exif_does_not_spoil_the_picture() -> None:
    data = encode(gradient(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xff" * 40)
    assert decode_image(data).size == (40, 24)


def test_exif_that_cannot_be_written_anew_still_says_where_up_is() -> None:
    def entry(tag: int, kind: int, value: bytes) -> bytes:
        return struct.pack(">HHI4s", tag, kind, 1, value)

    turned, height = entry(0x0112, 3, b"\0\6\0\0"), entry(0x0101, 9, b"\xff\xff\xff\xff")  # a height of -1
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 2) + height + turned + b"\0\0\0\0"
    assert decode_image(encode(gradient(), "JPEG", exif=exif)).size == (24, 40)


def test_16_bit_png_is_scaled_not_cut_off() -> None:
    values = np.linspace(0, 65535, 48 * 48).astype(np.uint16).reshape(48, 48)
    decoded = decode_image(encode(Image.fromarray(values)))
    assert decoded.mode == "L"
    np.testing.assert_array_equal(np.asarray(decoded), np.rint(values / 257).astype(np.uint8))


def test_16_bit_png_is_turned_too() -> None:
    values = np.linspace(0, 65535, 8 * 4).astype(np.uint16).reshape(4, 8)
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode_image(encode(Image.fromarray(values), exif=exif))
    np.testing.assert_array_equal(np.asarray(decoded), np.rot90(np.rint(values / 257).astype(np.uint8), -1))


def test_cmyk_jpeg_has_the_right_colours() -> None:
    for colour in ("red", "white", "black", "blue"):
        wanted = Image.new("RGB", (32, 32), colour)
        decoded = decode_image(encode(wanted.convert("CMYK"), "JPEG", quality=100))
        assert decoded.mode == "RGB"
        assert np.abs(np.asarray(decoded).astype(int) - np.asarray(wanted)).max() <= 4


def test_palette_has_the_right_colours() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    for kind in ("PNG", "GIF", "BMP"):
        assert decode_image(encode(palette, kind)).getpixel((0, 0)) == (10, 200, 30)


def test_one_bit_pictures_are_black_and_white() -> None:
    image = Image.new("1", (8, 8), 1)
    image.putpixel((0, 0), 0)
    for kind in ("PNG", "BMP"):
        decoded = decode_image(encode(image, kind))
        assert (decoded.mode, decoded.getpixel((0, 0)), decoded.getpixel((1, 0))) == ("L", 0, 255)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_transparency_is_laid_over_neutral_gray(kind: str) -> None:
    image = Image.new("RGBA", (4, 1))
    for x, alpha in enumerate((255, 0, 128, 255)):
        image.putpixel((x, 0), (250, 10, 0, alpha))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    decoded = decode_image(encode(image, kind, **options))
    assert decoded.mode == "RGB"
    assert decoded.getpixel((0, 0)) == (250, 10, 0)
    assert decoded.getpixel((1, 0)) == (128, 128, 128)
    assert decoded.getpixel((2, 0)) == pytest.approx((189, 69, 64), abs=1)


def test_gray_with_transparency_stays_gray() -> None:
    image = Image.new("LA", (2, 1), (250, 0))
    image.putpixel((1, 0), (250, 255))
    decoded = decode_image(encode(image))
    assert (decoded.mode, decoded.getpixel((0, 0)), decoded.getpixel((1, 0))) == ("L", 128, 250)


@pytest.mark.parametrize(
    ("mode", "colour", "transparency"),
    [("L", 7, 7), ("RGB", (1, 2, 3), (1, 2, 3)), ("P", 1, 1), ("P", 1, b"\xff\x00"), ("1", 1, 255), ("I;16", 700, 700)],
)
def test_one_transparent_colour_is_laid_over_neutral_gray(mode: str, colour: object, transparency: object) -> None:
    image = Image.new(mode, (4, 4), colour)  # type: ignore[arg-type]
    if mode == "P":
        image.putpalette([0, 0, 0, 10, 200, 30])
    decoded = decode_image(encode(image, transparency=transparency))
    assert np.unique(np.asarray(decoded)).tolist() == [128]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    decoded = decode_image(encode(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    assert decoded.getpixel((5, 5)) == (255, 0, 0)


def test_phone_photo_with_several_pictures_inside() -> None:
    data = encode(gradient(), "MPO", save_all=True, append_images=[gradient()])
    assert decode_image(data).size == (40, 24)


def test_result_is_a_plain_picture_without_metadata() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "someone")
    decoded = decode_image(encode(gradient(), pnginfo=info, dpi=(300, 300)))
    assert type(decoded) is Image.Image
    assert decoded.info == {}
    assert dict(decoded.getexif()) == {}


# --- what is refused


def test_empty_and_oversized_files() -> None:
    assert refusal(b"") == "'photo.jpg' is empty. Use JPEG, PNG, WebP, BMP or GIF."
    message = "'photo.jpg' is too large (max 20 MB)."
    assert refusal(encode(gradient()) + bytes(MAX_IMAGE_BYTES)) == message


def test_a_strip_on_which_no_face_fits_is_refused() -> None:
    assert decode_image(encode(gradient().resize((500, 10))), "photo.jpg").size == (500, 10)
    message = "'photo.jpg' has too extreme an aspect ratio (501×10). Crop it to the face."
    assert refusal(encode(gradient().resize((501, 10)))) == message
    assert "too extreme an aspect ratio (10×501)" in refusal(encode(gradient().resize((10, 501))))


@pytest.mark.parametrize(
    "size", [(10_000, 5_001), (12_000, 12_000), (65_000, 65_000), (2**31 - 1, 1), (2**31 - 1, 2**31 - 1)]
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_too_many_pixels_are_refused_before_they_take_memory(size: tuple[int, int]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = refusal(png_header(*size))
    assert message == "'photo.jpg' has too many pixels (max 50 megapixels)."
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def test_animation_with_a_huge_canvas_takes_no_memory() -> None:
    frames = [Image.new("RGBA", (4, 4), (x, 0, 0, 99)) for x in (0, 100)]
    data = bytearray(encode(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    data[24:30] = (11_999).to_bytes(3, "little") * 2
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refusal(bytes(data))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC photo"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIC photo"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "an AVIF image"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b"\xef\xbb\xbf<SVG></SVG>", "an SVG drawing"),
        (b"%PDF-1.7\n", "a PDF document"),
        (encode(gradient(), "TIFF"), "a TIFF or raw camera image"),
        (encode(gradient(), "ICO"), "an icon file"),
        (encode(gradient(), "JPEG2000"), "a JPEG 2000 image"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"PK\3\4abc", "a zip file"),
    ],
)
def test_known_formats_are_named(data: bytes, title: str) -> None:
    message = f"'photo.jpg' is {title}, which is not supported. Use JPEG, PNG, WebP, BMP or GIF."
    assert refusal(data) == message


@pytest.mark.parametrize(
    "data", [b"hello", b"\0" * 100, b"%!PS-Adobe", encode(gradient(), "PPM"), encode(gradient(), "TGA")]
)
def test_anything_else_is_told_what_is_read(data: bytes) -> None:
    assert refusal(data) == "'photo.jpg' is not a supported image. Use JPEG, PNG, WebP, BMP or GIF."


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_a_file_cut_short_is_refused_or_complete(kind: str) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8))
    whole = encode(image, kind)
    pixels = np.asarray(decode_image(whole))
    refused = 0
    for length in range(len(whole)):
        try:
            decoded = decode_image(whole[:length])
        except ImageError:
            refused += 1
        else:
            np.testing.assert_array_equal(np.asarray(decoded), pixels)
    assert refused > 0.9 * len(whole)
    assert "is corrupt or incomplete" in refusal(whole[: len(whole) // 2])


def test_global_settings_of_pillow_are_not_changed() -> None:
    def state() -> tuple[object, ...]:
        return ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK

    before = state()
    decode_image(encode(gradient()))
    refusal(b"hello")
    assert state() == before


# --- hostile bytes

SAMPLES = [
    encode(gradient(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
    encode(gradient(), "JPEG", progressive=True),
    encode(gradient().convert("CMYK"), "JPEG"),
    encode(gradient(), "MPO", save_all=True, append_images=[gradient()]),
    encode(gradient()),
    encode(gradient().quantize(16), transparency=3),
    encode(gradient().convert("LA")),
    encode(Image.fromarray(np.arange(960, dtype=np.uint16).reshape(24, 40))),
    encode(gradient(), save_all=True, append_images=[gradient()]),
    encode(gradient(), "WEBP"),
    encode(gradient().convert("RGBA"), "WEBP", save_all=True, append_images=[gradient().rotate(180).convert("RGBA")]),
    encode(gradient(), "GIF", save_all=True, append_images=[gradient().rotate(180)]),
    encode(gradient(), "BMP"),
    encode(gradient().convert("1"), "BMP"),
]

fuzzing = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def decode_or_refuse(data: bytes, name: str = "x") -> None:
    """Whatever the bytes, a picture or an ImageError of one sentence comes back."""
    try:
        image = decode_image(data, name)
    except ImageError as error:
        message = str(error)
    else:
        assert image.mode in ("L", "RGB")
        assert to_face(image).shape == (48, 48)
        return
    assert "\n" not in message
    assert len(message) < 250


@fuzzing
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF"]),
)
@example(b"", b"BM")
@pytest.mark.filterwarnings("ignore")
def test_random_bytes_raise_nothing_else(data: bytes, start: bytes) -> None:
    decode_or_refuse(start + data)


@fuzzing
@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=8), st.data())
@pytest.mark.filterwarnings("ignore")
def test_mutated_pictures_raise_nothing_else(
    sample: bytes, changes: list[tuple[int, int]], data: st.DataObject
) -> None:
    mutated = bytearray(sample)
    for position, value in changes:
        mutated[position % len(mutated)] = value
    start = data.draw(st.integers(0, len(mutated)))
    if data.draw(st.booleans()):
        del mutated[start : start + data.draw(st.integers(0, 50))]
    decode_or_refuse(bytes(mutated))


# --- what the network sees


def test_a_gray_face_of_48_pixels_is_not_changed() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    face = to_face(decode_image(encode(Image.fromarray(pixels))))
    np.testing.assert_array_equal(face, pixels)
    assert face.flags.writeable


@pytest.mark.parametrize("size", [(48, 48), (200, 130), (20, 31), (1, 1), (3, 4000), (640, 480)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_faces_are_made_as_torchvision_makes_them(size: tuple[int, int], mode: str) -> None:
    from torchvision import transforms

    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    theirs = transforms.Compose([transforms.Grayscale(), transforms.Resize((48, 48))])(image)
    np.testing.assert_array_equal(to_face(image), np.asarray(theirs))


def test_limits_are_stated_in_the_messages() -> None:
    assert decode.MAX_IMAGE_BYTES == 20_000_000
    assert decode.MAX_PIXELS == 50_000_000


@fuzzing
@given(st.text(max_size=200))
def test_any_name_is_made_safe(name: str) -> None:
    shown = display_name(name)
    assert 0 < len(shown) <= 60
    assert shown.isprintable() or " " in shown
    assert not set("/\\\n\r\t\x1b\u202e") & set(shown)
    decode_or_refuse(b"x", name)
