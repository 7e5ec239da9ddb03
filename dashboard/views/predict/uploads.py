"""Images out of uploaded files, also out of zips."""

import io
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast
from urllib.parse import urlsplit

from core.data.archives import is_zip
from core.errors import ImageError, display_name
from core.prediction.pictures import ImageFile, images_in_zip

MAX_IMAGES: Final = 500
"""Images the page processes at once; the command line processes any number."""
MAX_UPLOAD_BYTES: Final = 500_000_000
"""Bytes of all uploads together."""


def camera_allowed(address: str | None) -> bool:
    """Whether a browser lets a page of this address use the camera: only over HTTPS, or from the same machine. Unknown
    addresses (None) are given the benefit of the doubt."""
    url = urlsplit(address or "")
    host = url.hostname or ""
    local = host in ("localhost", "::1") or host.endswith(".localhost") or host.startswith("127.")
    return url.scheme != "http" or local


def uploaded_images(uploads: Sequence[Any]) -> list[ImageFile]:
    """The images of uploaded files, also inside zips, each with a key of its own; at most one more than
    `MAX_IMAGES`."""
    found: list[ImageFile] = []
    total = 0
    for upload in uploads:
        total += upload.size
        for number, image_file in enumerate(_files_in(upload, total)):
            found.append(image_file._replace(key=f"{upload.file_id}-{number}"))
            if len(found) > MAX_IMAGES:
                return found
    return found


def _files_in(upload: Any, total: int) -> Iterator[ImageFile]:
    if total > MAX_UPLOAD_BYTES:
        message = f"“{display_name(upload.name)}” skipped: total upload limit is 500 MB."
        yield ImageFile(upload.name, lambda: _refuse(message))
    elif is_zip(upload.getvalue()):
        yield from images_in_zip(cast(io.RawIOBase, io.BytesIO(upload.getvalue())), upload.name)
    else:
        yield ImageFile(upload.name, upload.getvalue)


def _refuse(message: str) -> bytes:
    raise ImageError(message)
