"""What a file is that is offered as weights, told from its content: the three formats that are read, and what others
people have, each with the way from there to a state_dict."""

import io
import zipfile
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from core.errors import display_name

WeightsFormat = Literal["torch", "legacy", "safetensors"]
"""`torch.save` since PyTorch 1.6 (a zip file), `torch.save` before it (a series of pickles), and safetensors."""

MAX_WEIGHTS_BYTES: Final = 64_000_000
"""Of a file, and of what it may unpack to. CnnModel2's weights take 14 MB; with Adam's moments and EMA weights, 57."""
_MAX_ENTRIES: Final = 1000

_SAVE: Final = "Save only its weights: `torch.save(model.state_dict(), 'weights.pth')`."
_UNPACK: Final = "Unpack it and choose the weights file in it."
_PYTORCH_ONLY: Final = "Only PyTorch weights can be used: choose a state_dict of CnnModel2 (.pth)."
_LEGACY_MAGIC: Final = b"l\xfc\x9cF\xf9 j\xa8P\x19."
"""The number that `torch.save` before PyTorch 1.6 wrote first, as every pickle protocol has it."""


class Foreign(NamedTuple):
    """A file that is not read."""

    what: str
    """The end of a sentence that begins with the file's name."""
    advice: str
    """What to do, as a sentence."""


_SIGNATURES: Final = (
    (
        0,
        b"version https://git-lfs",
        Foreign("is a Git LFS pointer, not the file itself", "Run `git lfs pull` in its repository."),
    ),
    (0, b"\x89HDF\r\n\x1a\n", Foreign("is an HDF5 file, as Keras saves it", _PYTORCH_ONLY)),
    (4, b"TFL3", Foreign("is a TensorFlow Lite model", _PYTORCH_ONLY)),
    (0, b"\x93NUMPY", Foreign("is a NumPy array", _PYTORCH_ONLY)),
    (0, b"GGUF", Foreign("is a GGUF model", _PYTORCH_ONLY)),
    (0, b"\x1f\x8b", Foreign("is a gzip file", _UNPACK)),
    (0, b"BZh", Foreign("is a bzip2 file", _UNPACK)),
    (0, b"\xfd7zXZ\0", Foreign("is an xz file", _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", Foreign("is a Zstandard file", _UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", Foreign("is a 7z file", _UNPACK)),
    (0, b"Rar!", Foreign("is a rar file", _UNPACK)),
    (257, b"ustar", Foreign("is a tar file", _UNPACK)),
    (0, b"PK\3\4", Foreign("is incomplete: its end is missing", "Download or copy it again.")),
)
"""Offset and signature. A zip file comes here only if it has no directory, which is at its end."""


def identify(data: bytes) -> WeightsFormat | Foreign:
    """The format of a file, or what it is instead. Nothing is unpacked and nothing is run.

    Args:
        data: the content of the file.
    """
    if not data:
        return Foreign("is empty (0 bytes)", "Download or copy it again.")
    # First, as the length of its header may begin like any other format; of those, none begins like a length and a {.
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") < MAX_WEIGHTS_BYTES:
        return "safetensors"
    if data.startswith(b"PK") and (entries := _zip_entries(data)) is not None:
        return _in_zip(entries)
    if data.startswith(b"\x80"):
        return "legacy" if _LEGACY_MAGIC in data[:24] else _PICKLE
    for offset, signature, foreign in _SIGNATURES:
        if data.startswith(signature, offset):
            return foreign
    return _by_text(data[:4096])


_PICKLE: Final = Foreign("is a pickle that torch.save did not write; it may run code and was not loaded", _SAVE)


def _by_text(start: bytes) -> Foreign:
    lower = start.lower()
    if b"<html" in lower or b"<!doctype html" in lower:
        return Foreign("is a web page, not the file itself", "Download the file itself (on GitHub: Download raw file).")
    if b"<?xml" in lower:
        return Foreign("is an XML file, as servers answer errors with", "Download the file itself.")
    # ONNX is a protocol buffer without a signature: field 1 (ir_version), then mostly field 2 (producer_name).
    if start.startswith(b"\x08") and start[2:3] in (b"\x12", b"\x1a", b":", b"B"):
        return Foreign("is an ONNX model", "Choose the PyTorch weights it was exported from.")
    return Foreign("is not a valid weights file", "Choose a state_dict of CnnModel2 (.pth).")


def _zip_entries(data: bytes) -> list[zipfile.ZipInfo] | None:
    """None: it is not a whole zip file."""
    try:
        return zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return None


def _in_zip(entries: list[zipfile.ZipInfo]) -> WeightsFormat | Foreign:
    """By the names in it, which are also how PyTorch tells its own."""
    if len(entries) > _MAX_ENTRIES or sum(entry.file_size for entry in entries) > MAX_WEIGHTS_BYTES:
        return Foreign(f"unpacks to more than {MAX_WEIGHTS_BYTES // 10**6} MB", _SAVE)
    names = [entry.filename for entry in entries if not entry.is_dir()]
    for holds, foreign in _ZIPS:
        if any(holds(name) for name in names):
            return foreign
    if any(name.endswith("data.pkl") for name in names):
        return "torch"
    first = f" with '{display_name(names[0])}' in it" if names else " with nothing in it"
    return Foreign(f"is a zip file{first}", _UNPACK)


_ZIPS: Final[tuple[tuple[Callable[[str], bool], Foreign], ...]] = (
    (
        lambda name: name.endswith("constants.pkl") or "/code/" in name,
        Foreign(
            "is a TorchScript model",
            "Save its weights: `torch.save(torch.jit.load('model.pt').state_dict(), 'weights.pth')`.",
        ),
    ),
    (
        lambda name: name.endswith(("archive_format", "serialized_exported_program.json")),
        Foreign(
            "is a model of torch.export",
            "Save its weights: `torch.save(torch.export.load('model.pt2').state_dict, 'weights.pth')`.",
        ),
    ),
    (lambda name: name.endswith((".weights.h5", "saved_model.pb")), Foreign("is a Keras model", _PYTORCH_ONLY)),
    (lambda name: name.endswith(".npy"), Foreign("is a file of NumPy arrays (.npz)", _PYTORCH_ONLY)),
)
"""Whether an entry's name tells the kind, and the kind."""
