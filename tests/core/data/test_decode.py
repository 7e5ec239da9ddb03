"""Decoding untrusted images: correct where they are unusual, rejected with a clear message where they are bad."""

import io
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile, PngImagePlugin

from core.data import decode
from core.data.decode import MAX_IMAGE_BYTES, decode_image, to_face
from core.errors import ImageError, display_name
from tests.conftest import PROJECT_ROOT

ACCEPTED = "Use JPEG, PNG, WebP, TIFF, AVIF, HEIC, JPEG 2000, BMP, GIF or PGM."
HEIC = Path(__file__).parent


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


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("WEBP", {"lossless": True}),
        ("JPEG2000", {}),
        ("JPEG2000", {"no_jp2": True}),
        ("TIFF", {}),
        *(("TIFF", {"compression": name}) for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd")),
        ("TIFF", {"big_tiff": True}),
    ],
)
def test_lossless_formats_keep_every_pixel(kind: str, options: dict[str, object]) -> None:
    decoded = decode_image(encode(gradient(), kind, **options))
    assert decoded.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(decoded), np.asarray(gradient()))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "JPEG"])
def test_gray_stays_gray(kind: str) -> None:
    gray = gradient().convert("L")
    decoded = decode_image(encode(gray, kind))
    assert decoded.mode == "L"
    assert np.abs(np.asarray(decoded).astype(int) - np.asarray(gray)).max() <= (6 if kind == "JPEG" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_all_eight_exif_orientations_come_out_upright(orientation: int, kind: str) -> None:
    upright = gradient()
    # What a camera stores when held so: the picture turned the other way than the tag asks for.
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {
        "JPEG": {"quality": 100, "subsampling": 0},
        "WEBP": {"lossless": True},
        "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    }
    decoded = decode_image(encode(stored, kind, exif=exif, **options.get(kind, {})))
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


def test_avif_is_read() -> None:
    decoded = decode_image(encode(gradient(), "AVIF", quality=95, subsampling="4:4:4"))
    assert np.abs(np.asarray(decoded).astype(int) - np.asarray(gradient())).max() <= 12


@pytest.mark.parametrize("name", ["gradient.heic", "rotated.heic"])
def test_heic_is_read_and_upright(name: str) -> None:
    decoded = decode_image((HEIC / name).read_bytes(), name)
    assert (decoded.mode, decoded.size, decoded.info) == ("RGB", (80, 48), {})
    wanted = np.asarray(gradient().resize((80, 48))).astype(int)
    assert np.abs(np.asarray(decoded) - wanted).max() <= 20


def test_heic_without_its_package_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    message = "'a.heic' is a HEIC photo, which needs the Python package pi-heif. Use JPEG or PNG."
    assert refusal((HEIC / "gradient.heic").read_bytes(), "a.heic") == message


def test_first_page_of_a_tiff() -> None:
    decoded = decode_image(encode(gradient(), "TIFF", save_all=True, append_images=[Image.new("RGB", (9, 9))]))
    np.testing.assert_array_equal(np.asarray(decoded), np.asarray(gradient()))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG2000"])
def test_16_bits_are_scaled_not_cut_off(kind: str) -> None:
    values = np.linspace(0, 65535, 48 * 48).astype(np.uint16).reshape(48, 48)
    decoded = decode_image(encode(Image.fromarray(values), kind))
    assert decoded.mode == "L"
    np.testing.assert_array_equal(np.asarray(decoded), np.rint(values / 257).astype(np.uint8))


def tiff(values: np.ndarray, bits: int, photometric: int, samples: int = 1) -> bytes:
    """A little-endian TIFF file with one strip of packed values, and no more tags than it needs."""
    data = values.tobytes()
    tags = [(256, values.shape[1]), (257, values.shape[0]), (258, bits), (259, 1), (262, photometric)]
    tags += [(273, 8), (277, samples), (278, values.shape[0]), (279, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def test_16_bit_tiff_of_which_zero_is_white() -> None:
    values = np.linspace(0, 65535, 12, dtype=np.uint16).reshape(3, 4)
    decoded = decode_image(tiff(values, 16, photometric=0))
    np.testing.assert_array_equal(np.asarray(decoded), 255 - np.rint(values / 257).astype(np.uint8))


def test_12_bit_tiff_is_as_bright_as_it_should_be() -> None:
    packed = np.array([[0xFF, 0xF0, 0x00, 0x80, 0x08, 0x00]], np.uint8)  # 4095, 0, 2048, 2048
    data = bytearray(tiff(packed, 12, photometric=1))
    data[data.index(struct.pack("<HHI", 256, 4, 1)) + 8] = 4  # values across, not bytes
    np.testing.assert_array_equal(np.asarray(decode_image(bytes(data))), [[255, 0, 128, 128]])


def test_pgm_ppm_and_pbm_are_read_with_8_and_16_bits() -> None:
    gray = gradient().convert("L")
    assert np.array_equal(decode_image(encode(gray, "PPM")), gray)
    assert np.array_equal(decode_image(encode(gradient(), "PPM")), gradient())
    assert np.array_equal(decode_image(encode(gray.convert("1"), "PPM")), gray.convert("1").convert("L"))
    deep = (np.asarray(gray).astype(">u2") * 257).tobytes()
    assert np.array_equal(decode_image(b"P5 40 24 65535\n" + deep), gray)
    twelve_bits = (np.asarray(gray).astype(float) * 4095 / 255).round().astype(">u2").tobytes()
    assert np.array_equal(decode_image(b"P5 40 24 4095\n" + twelve_bits), gray)
    assert "without a known black and white" in refusal(b"Pf 1 1 -1.0\n" + struct.pack("<f", 0.5))
    assert refusal(b"P5 40 24 255\n short").endswith(
        "is corrupt or incomplete. Save it again as JPEG or PNG and retry."
    )


def test_a_jpeg_with_hundreds_of_scans_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(gradient(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    repeated = data[:-2] + data[last:-2] * 500 + b"\xff\xd9"
    assert refusal(repeated) == "'photo.jpg' has too many scans (max 500). Save it again as JPEG or PNG."
    assert decode_image(data).size == (40, 24)
    scans = encode(gradient(), "PNG") + b"\xff\xda" * 501
    assert decode_image(scans).size == (40, 24), "the marker means nothing elsewhere"


@pytest.mark.parametrize("mode", ["I", "F"])
def test_values_without_a_known_black_and_white_are_refused(mode: str) -> None:
    message = "'scan.tif' has values without a known black and white. Save it again with 8 or 16 bits per channel."
    assert refusal(encode(gradient().convert("L").convert(mode), "TIFF"), "scan.tif") == message


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "RGBA", "LA", "LAB"])
def test_tiff_of_every_kind_has_the_right_colours(mode: str) -> None:
    image = gradient().convert("L") if mode in ("1", "LA") else gradient()
    if mode == "LAB":
        image = ImageCms.profileToProfile(
            image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    stored = image.convert(mode)
    decoded = decode_image(encode(stored, "TIFF"))
    assert decoded.mode == ("L" if mode in ("1", "L", "LA") else "RGB")
    wanted = gradient() if mode == "LAB" else stored.convert(decoded.mode)
    assert np.abs(np.asarray(decoded).astype(int) - np.asarray(wanted)).max() <= (30 if mode == "LAB" else 0)


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


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", ["text", "international text", "color profile"])
def test_long_metadata_of_a_png_do_no_harm(kind: str, compressed: bool) -> None:
    """Image generators write megabytes of settings, editors megabytes of history."""
    info = PngImagePlugin.PngInfo()
    long = "a" * 5_000_000
    if kind == "text":
        info.add_text("workflow", long, zip=compressed)
    elif kind == "international text":
        info.add_itxt("XML:com.adobe.xmp", long, zip=compressed)
    profile = {"icc_profile": long.encode()} if kind == "color profile" else {}
    decoded = decode_image(encode(gradient(), pnginfo=info, **profile))
    np.testing.assert_array_equal(np.asarray(decoded), np.asarray(gradient()))


def test_long_metadata_after_the_pixels_do_no_harm() -> None:
    text = b"workflow\0\0" + zlib.compress(b"a" * 5_000_000)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    whole = encode(gradient())
    decoded = decode_image(whole[:-12] + chunk + whole[-12:])
    np.testing.assert_array_equal(np.asarray(decoded), np.asarray(gradient()))


def test_what_pillow_warns_of_reaches_no_terminal(tmp_path: Path) -> None:
    """In a process of its own, since pytest has filters of its own; with those of Python set to show everything."""
    cut, exif = encode(gradient(), "TIFF"), Image.Exif()
    exif[0x0112] = 6
    hostile = {
        "cut.tif": cut[:-30],
        "cut lzw.tif": encode(gradient(200, 200), "TIFF", compression="tiff_lzw")[:-400],
        "samples.tif": tiff(np.zeros((4, 4000), np.uint8), 8, 1, samples=1000),
        "huge.png": png_header(12_000, 12_000),
        "palette.png": encode(gradient().quantize(16), transparency=b"\0\x80\xff"),
        "exif.jpg": encode(gradient(), "JPEG", exif=exif.tobytes()[:-6]),
        "frames.png": encode(gradient(), save_all=True, append_images=[gradient()]).replace(b"acTL", b"acTL", 1),
    }
    for name, data in hostile.items():
        (tmp_path / name).write_bytes(data)
    code = """
import sys
from pathlib import Path
from core.data.decode import decode_image
from core.errors import ImageError
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        decode_image(path.read_bytes(), path.name)
    except ImageError:
        pass
"""
    command = [sys.executable, "-W", "always", "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=100, check=True)
    assert (done.stdout, done.stderr) == ("", "")


# --- what is refused


def test_empty_and_oversized_files() -> None:
    assert refusal(b"") == f"'photo.jpg' is empty. {ACCEPTED}"
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
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB; the least of them takes 150,000


def test_animation_with_a_huge_canvas_takes_no_memory() -> None:
    frames = [Image.new("RGBA", (4, 4), (x, 0, 0, 99)) for x in (0, 100)]
    data = bytearray(encode(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    data[24:30] = (11_999).to_bytes(3, "little") * 2
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refusal(bytes(data))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB; the canvas takes 560,000


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b"\xef\xbb\xbf<SVG></SVG>", "an SVG drawing"),
        (b"%PDF-1.7\n", "a PDF document"),
        (encode(gradient(), "TIFF", tiffinfo={254: 1}), "a raw camera image"),
        (encode(gradient(), "TIFF", tiffinfo={50706: b"\1\4\0\0"}), "a raw camera image"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "a raw camera image"),
        (encode(gradient(), "ICO"), "an icon file"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"PK\3\4abc", "a zip file"),
    ],
)
def test_known_formats_are_named(data: bytes, title: str) -> None:
    assert refusal(data) == f"'photo.jpg' is {title}, which is not supported. {ACCEPTED}"


@pytest.mark.parametrize(
    "data", [b"hello", b"\0" * 100, b"%!PS-Adobe", encode(gradient(), "SGI"), encode(gradient(), "TGA")]
)
def test_anything_else_is_told_what_is_read(data: bytes) -> None:
    assert refusal(data) == f"'photo.jpg' is not a supported image. {ACCEPTED}"


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic",
        b"\0\0\0\x1cftypavif\0\0\0\0",
        b"\0\0\0\x0cjP  \r\n\x87\n",
        b"II*\0\x08\0\0\0",
    ],
)
def test_a_header_without_an_image_is_corrupt(data: bytes) -> None:
    assert refusal(data) == "'photo.jpg' is corrupt or incomplete. Save it again as JPEG or PNG and retry."


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
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
    encode(gradient(), "TIFF"),
    encode(gradient(), "TIFF", compression="tiff_lzw"),
    encode(gradient().convert("L"), "TIFF", compression="jpeg"),
    encode(gradient(), "AVIF", speed=10),
    encode(gradient(), "JPEG2000"),
    (HEIC / "rotated.heic").read_bytes(),
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
    st.sampled_from(
        [
            b"",
            b"\xff\xd8\xff\xe0",
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a",
            b"BM",
            b"RIFF",
            b"II*\0\x08\0\0\0",
            b"\xff\x4f\xff\x51",
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            b"\0\0\0\x1cftypavif\0\0\0\0mif1avif",
        ]
    ),
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

    lanczos = transforms.InterpolationMode.LANCZOS
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    theirs = transforms.Compose([transforms.Grayscale(), transforms.Resize((48, 48), lanczos)])(image)
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
