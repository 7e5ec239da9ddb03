"""What a file is that was given for something else, from its first bytes, as words for a sentence."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

_SIGNATURES: Final = (
    (0, b"version https://git-lfs.github.com", "a Git LFS pointer"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras weights"),
    (0, b"PAR1", "a Parquet table"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\xd0\xcf\x11\xe0", "an old Office document"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"\x89PNG\r\n", "a PNG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"BM", "a BMP image"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a Windows program"),
    (0, b"BZh", "a bzip2 file"),
    (0, b"\xfd7zXZ\0", "an xz file"),
    (0, b"\x1f\x8b", "a gzip file"),
    (0, b"PK\3\4", "a zip file"),
    (0, b"PK\5\6", "an empty zip file"),
    (4, b"ftyp", "a video or photo container (MP4, HEIC, AVIF)"),
    (8, b"WEBP", "a WebP image"),
    (8, b'{"', "a safetensors file"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x80\2", "a Python pickle, such as PyTorch weights"),
    (0, b"\x80\3", "a Python pickle"),
    (0, b"\x80\4", "a Python pickle"),
    (0, b"\x80\5", "a Python pickle"),
)

_ADVICE: Final = {
    "a Git LFS pointer": "Run `git lfs pull` to get the file itself.",
    "a web page": "Download the file itself: sign in first where the site asks for it.",
    "a RAR archive": "Unpack it and import the folder.",
    "a 7z archive": "Unpack it and import the folder.",
    "a Zstandard archive": "Unpack it and import the folder.",
    "an empty file": "Download or copy it again.",
    "nothing but zero bytes": "Download or copy it again.",
}

_WEIGHTS: Final = "Weights are not a dataset: use the page Models & export, or `python -m core predict --help`."


def kind_of(path: Path) -> str:
    """What a file is, such as "a web page"; empty where nothing is recognised.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return kind_of_bytes(file.read(4096))


def kind_of_bytes(start: bytes) -> str:
    """The same for the first bytes of a file: all of it, or at least 512."""
    if not start:
        return "an empty file"
    for offset, signature, kind in _SIGNATURES:
        if start.startswith(signature, offset):
            return kind
    if not start.strip(b"\0"):
        return "nothing but zero bytes"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")) or b"<html" in text[:1000]:
        return "a web page"
    if text.startswith(b"<?xml"):
        return "an XML document"
    if text.startswith((b"{", b"[")):
        if b'"cells"' in text:
            return "a notebook"
        return "a Kaggle token" if b'"username"' in text and b'"key"' in text else "a JSON file"
    return ""


def kind_of_members(names: Collection[str]) -> str:
    """What a zip file is that is not an archive of someone's files; empty where it is one."""
    ends = {name.rsplit("/", 1)[-1] for name in names}
    if "data.pkl" in ends:
        return "a TorchScript model" if "constants.pkl" in ends else "PyTorch weights"
    if "model.weights.h5" in ends or "keras_metadata.pb" in ends:
        return "a Keras model"
    if "[Content_Types].xml" in names:
        return "an Office document"
    return ""


def advice_for(kind: str) -> str:
    """What to do with a file of this kind, as a sentence; empty where there is nothing to say."""
    weights = ("weights", "TorchScript", "Keras", "safetensors")
    return _ADVICE.get(kind) or (_WEIGHTS if any(word in kind for word in weights) else "")
