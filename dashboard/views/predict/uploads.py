"""Images out of uploaded files, also out of zips; and what stays of them while their visitor is on another page."""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast
from urllib.parse import urlsplit

import streamlit as st

from core.data.archives import is_zip
from core.errors import ImageError, display_name
from core.prediction.pictures import ImageFile, images_in_zip
from dashboard.ui.samples import PARAMETER, SAMPLE_IMAGES
from dashboard.views.predict.memory import memory

PHOTOS: Final = "photos"
WEBCAM: Final = "webcam"
ARCHIVES: Final = "archives"
"""Keys of the upload widgets."""
MAX_IMAGES: Final = 500
"""Images the page processes at once; the command line processes any number."""
MAX_UPLOAD_BYTES: Final = 500_000_000
"""Bytes of all uploads together."""
MAX_KEPT_BYTES: Final = 100_000_000
"""Bytes of one visitor's uploads that stay in memory while they are on another page."""


def remember(key: str) -> None:
    """Keep what the visitor has just uploaded or removed: as soon as they leave the page, Streamlit empties the widget,
    without a call of this."""
    value = st.session_state[key]
    uploads = value if isinstance(value, list) else [value] if value else []
    memory().uploads[key] = uploads if _size(uploads) <= MAX_KEPT_BYTES else []
    st.query_params.pop(PARAMETER, None)


def kept_uploads(shown: Mapping[str, Sequence[Any]]) -> list[Any]:
    """Uploads of earlier visits to the page; the newest ones, where they are too many.

    Args:
        shown: the present content of each upload widget on the page, by its key.
    """
    state = memory()
    for key in list(state.uploads):
        if not shown.get(key):
            state.kept += state.uploads.pop(key)
    while _size(state.kept) > MAX_KEPT_BYTES:
        del state.kept[0]
    return state.kept


def forget_uploads(key: str) -> None:
    """The visitor has put an upload widget away."""
    memory().uploads.pop(key, None)


def forget_kept() -> None:
    """The visitor has removed the uploads of earlier visits."""
    memory().kept = []


def choose_sample(name: str) -> None:
    """Show a sample."""
    st.query_params[PARAMETER] = name


def chosen_sample() -> str:
    """Name of the sample in the address; empty if there is none."""
    name = st.query_params.get(PARAMETER, "")
    return name if name in SAMPLE_IMAGES else ""


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


def _size(uploads: Sequence[Any]) -> int:
    return sum(upload.size for upload in uploads)


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
