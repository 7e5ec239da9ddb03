"""Uploads as an enemy, or bad luck, makes them: a corpus of names and bytes, the same every time."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

IMAGE_KINDS = (
    ("jpg", "JPEG"),
    ("png", "PNG"),
    ("webp", "WEBP"),
    ("gif", "GIF"),
    ("bmp", "BMP"),
    ("tif", "TIFF"),
    ("avif", "AVIF"),
    ("jp2", "JPEG2000"),
)
"""Extension and Pillow's name of the formats that are read."""


HEIC = Path(__file__).parent / "core" / "data" / "rotated.heic"


class Upload(NamedTuple):
    """A file as a browser would hand it over."""

    kind: str
    name: str
    data: bytes


def corpus() -> Iterator[Upload]:
    """More than 300 uploads, of at most a few MB each."""
    yield from _bombs()
    yield from zips()
    yield from _cut_short()
    yield from _wrong_extensions()
    yield from _names()
    yield from _odd_but_honest()
    yield from _broken_inside()


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def picture(size: tuple[int, int] = (60, 40)) -> Image.Image:
    pixels = np.random.default_rng(7).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, bits: int = 1, colour: int = 0, data: bytes = b"", extra: bytes = b"") -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(data, 9))
    return b"\x89PNG\r\n\x1a\n" + header + extra + body + png_chunk(b"IEND", b"")


SIDES = [(10_000, 5_001), (50_001, 1_000), (65_535, 65_535), (2**31 - 1, 1), (1, 2**31 - 1), (2**31 - 1, 2**31 - 1)]


def _bombs() -> Iterator[Upload]:
    """Small files that ask for much memory or time."""
    for width, height in SIDES:
        yield Upload("bomb", f"{width}x{height}.png", png(width, height))
        bmp = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 58, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
        yield Upload("bomb", f"{width}x{height}.bmp", bmp)
        small = min(width, 65_535), min(height, 65_535)
        yield Upload("bomb", f"{width}x{height}.gif", b"GIF89a" + struct.pack("<HHBBB", *small, 0x80, 0, 0) + bytes(20))
        jpeg = bytearray(encode(picture(), "JPEG"))
        frame = jpeg.index(b"\xff\xc0")
        jpeg[frame + 5 : frame + 9] = struct.pack(">HH", small[1], small[0])
        yield Upload("bomb", f"{width}x{height}.jpg", bytes(jpeg))
        webp = bytearray(encode(picture(), "WEBP", lossless=True))
        webp[21:25] = struct.pack("<I", (min(small[0], 16383) - 1) | (min(small[1], 16383) - 1) << 14)
        yield Upload("bomb", f"{width}x{height}.webp", bytes(webp))
        tags = ((256, width), (257, height), (258, 1), (259, 32946), (262, 1), (273, 8), (278, height), (279, 64))
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value % 2**32) for tag, value in tags)
        tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(68)
        yield Upload("bomb", f"{width}x{height}.tif", tiff)
        jp2 = bytearray(encode(picture(), "JPEG2000", no_jp2=True))
        jp2[8:16] = jp2[24:32] = struct.pack(">II", width, height)
        yield Upload("bomb", f"{width}x{height}.j2k", bytes(jp2))
        for name, data in (("avif", encode(picture(), "AVIF", speed=10)), ("heic", HEIC.read_bytes())):
            box = data.index(b"ispe") + 8
            yield Upload(
                "bomb", f"{width}x{height}.{name}", data[:box] + struct.pack(">II", width, height) + data[box + 8 :]
            )
    text = zlib.compress(bytes(60_000_000), 9)
    for kind in (b"zTXt", b"iCCP"):
        yield Upload("long text", "text.png", png(8, 8, data=bytes(16), extra=png_chunk(kind, b"k\0\0" + text)))
    yield Upload("long text", "itxt.png", png(8, 8, data=bytes(16), extra=png_chunk(b"iTXt", b"k\0\1\0\0\0" + text)))
    many = png_chunk(b"tEXt", b"k\0" + bytes(50)) * 20_000
    yield Upload("long text", "chunks.png", png(8, 8, data=bytes(16), extra=many))
    yield Upload("bomb", "long rows.png", png(8, 8, data=bytes(30_000_000)))
    yield Upload("huge", "49 megapixels.png", png(7_000, 7_000, bits=1, data=bytes(876 * 7_000)))
    yield Upload("huge", "sliver.png", png(50_000, 1, data=bytes(6_251)))
    yield Upload("huge", "tower.png", png(1, 50_000, data=bytes(100_000)))
    yield Upload("huge", "too large.jpg", encode(picture(), "JPEG") + bytes(20_000_001))
    loop = encode(picture((8, 8)), "GIF", save_all=True, append_images=[picture((8, 8)).rotate(90)] * 400)
    yield Upload("huge", "400 frames.gif", loop)


def zips() -> Iterator[Upload]:
    """Zip files that unpack to far too much, or are wrong in some way."""
    zeros = bytes(60_000_000)
    yield Upload("zip bomb", "zeros.zip", zipped({"a.png": zeros}))
    shortened = zipped({"a.png": bytes(5_000_000)}).replace(struct.pack("<I", 5_000_000), struct.pack("<I", 50))
    yield Upload("zip bomb", "says 50 bytes.zip", shortened)
    inner = zipped({"a.png": bytes(5_000_000)})
    for _ in range(4):
        inner = zipped({f"{n}.zip": inner for n in range(4)})
    yield Upload("zip bomb", "nested.zip", inner)
    yield Upload("zip bomb", "many.zip", zipped({f"{n}.png": b"" for n in range(12_000)}))
    yield Upload("zip bomb", "names.zip", zipped({f"{n}" + "x" * 60_000: b"" for n in range(30)}))
    good = encode(picture(), "PNG")
    names = ["../../etc/passwd.png", "/etc/x.png", "C:\\x.png", "a\nb\x1b[2J.png", "x" * 10_000 + ".png", "\u202egnp.x"]
    yield Upload("zip names", "paths.zip", zipped(dict.fromkeys(names, good)))
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield Upload("zip", "method.zip", zipped({"a.png": good}, method))
    locked = bytearray(zipped({"a.png": good}))
    locked[6] |= 1
    locked[locked.index(b"PK\1\2") + 8] |= 1
    yield Upload("zip", "password.zip", bytes(locked))
    link = io.BytesIO()
    with zipfile.ZipFile(link, "w") as archive:
        info = zipfile.ZipInfo("link.png")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    yield Upload("zip", "link.zip", link.getvalue())
    yield Upload("zip", "empty.zip", zipped({}))
    yield Upload("zip", "folders only.zip", zipped({"a/": b"", "b/": b""}))
    whole = zipped({"a.png": good, "b.txt": b"text"})
    for share in range(1, 12):
        yield Upload("zip", f"cut {share}.zip", whole[: len(whole) * share // 12])
    for place in range(0, len(whole), max(1, len(whole) // 12)):
        yield Upload("zip", f"changed {place}.zip", whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])


def _cut_short() -> Iterator[Upload]:
    """Every format at every class of length: nothing, signature, header, some pixels, all but the end."""
    whole = {extension: encode(picture(), kind) for extension, kind in IMAGE_KINDS}
    whole["progressive.jpg"] = encode(picture(), "JPEG", progressive=True)
    for extension, data in whole.items():
        lengths = {0, 1, 2, 4, 8, 12, 20, 24, 33, 54, 100, 150, len(data) - 20, len(data) - 2, len(data) - 1}
        lengths |= {len(data) * part // 8 for part in range(1, 8)}
        for length in sorted(lengths):
            yield Upload("cut", f"cut at {length}.{extension}", data[:length])


def _wrong_extensions() -> Iterator[Upload]:
    contents = {
        "text": b"hello",
        "zeros": bytes(4096),
        "html": b"<!DOCTYPE html><html><script>alert(1)</script></html>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        "entities": b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><svg>&b;</svg>',
        "pdf": b"%PDF-1.7\n",
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "avif": b"\0\0\0\x1cftypavif\0\0\0\0",
        "mp4": b"\0\0\0\x18ftypmp42\0\0\0\0",
        "tiff": encode(picture(), "TIFF"),
        "ico": encode(picture(), "ICO"),
        "jp2": encode(picture(), "JPEG2000"),
        "ppm": encode(picture(), "PPM"),
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "program": b"\x7fELF\2\1\1" + bytes(60),
        "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
        "gzip": b"\x1f\x8b\x08\0" + bytes(20),
        "rar": b"Rar!\x1a\x07\0",
        "real png": encode(picture(), "PNG"),
        "real webp": encode(picture(), "WEBP"),
    }
    for title, data in contents.items():
        for extension in ("jpg", "png", "zip"):
            yield Upload("extension", f"{title}.{extension}", data)


def _names() -> Iterator[Upload]:
    names = [
        *("", ".", "..", "/", "\\", "../../../etc/passwd", "..\\..\\x.png", "/dev/random", "C:\\CON.png", "~/.ssh/id"),
        *(
            "\0.png",
            "a\0b.png",
            "a\nb.png",
            "a\r\nSet-Cookie: x.png",
            "\x1b[2J\x1b[31m.png",
            "\u202egpj.exe",
            "\ufeff.png",
        ),
        *("x" * 10_000, "顔" * 3_000 + ".png", "<img src=x onerror=alert(1)>.png", "![x](http://evil.test/x.png)"),
        *(":material/home: **b** $x$ `c`", "=cmd|' /C calc'!A0", "{{7*7}}", "%s%s%n", "\ud800.png", "a" * 255 + ".png"),
    ]
    for name in names:
        yield Upload("name", name, b"no picture")
        yield Upload("name", name, encode(picture(), "PNG"))


def _odd_but_honest() -> Iterator[Upload]:
    frames = [picture().rotate(angle) for angle in (90, 180)]
    for kind in ("GIF", "WEBP", "PNG"):
        data = encode(picture(), kind, save_all=True, append_images=frames)
        yield Upload("animated", f"animated.{kind.lower()}", data)
    for size in ((1, 1), (1, 3_000), (3_000, 1), (2, 2), (47, 49)):
        yield Upload("odd size", "odd.png", encode(picture(size), "PNG"))
    for mode in ("1", "L", "LA", "P", "RGBA", "CMYK"):
        yield Upload("odd mode", f"{mode}.img", encode(picture().convert(mode), "JPEG" if mode == "CMYK" else "PNG"))
    yield Upload(
        "odd mode", "16 bits.png", encode(Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20)), "PNG")
    )
    yield Upload("twice", "appended.png", encode(picture(), "PNG") + encode(picture(), "PNG"))
    yield Upload("twice", "picture and zip.png", encode(picture(), "PNG") + zipped({"a": b"b"}))


def _broken_inside() -> Iterator[Upload]:
    """One wrong byte at many places."""
    for extension, kind in IMAGE_KINDS:
        data = encode(picture(), kind)
        for place in [*range(0, 24, 3), *range(24, len(data), max(1, len(data) // 10))]:
            changed = data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]
            yield Upload("changed", f"changed at {place}.{extension}", changed)
