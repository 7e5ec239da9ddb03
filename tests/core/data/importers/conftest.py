"""FER2013 in small: its files, as a zip file and as a folder."""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from core.labels import LABELS


def picture(
    value: int | np.ndarray = 100, size: tuple[int, int] = (48, 48), mode: str = "L", kind: str = "JPEG"
) -> bytes:
    image = Image.new("L", size, value) if isinstance(value, int) else Image.fromarray(value)
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, kind)
    return buffer.getvalue()


def small_files() -> dict[str, bytes]:
    """Path to content: two training and one validation and test image per class, each with its own gray."""
    files = {}
    for index, label in enumerate(LABELS):
        for copy in range(2):
            files[f"train/{label}/Training_{index}{copy}.jpg"] = picture(10 + 10 * index + copy)
        files[f"test/{label}/PublicTest_{index}.jpg"] = picture(100 + index)
        files[f"test/{label}/PrivateTest_{index}.jpg"] = picture(200 + index)
    return files


def make_zip(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def make_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path
