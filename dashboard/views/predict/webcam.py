"""A photo of the webcam."""

from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from dashboard.views.predict.uploads import WEBCAM, forget, remember


def webcam() -> list[Any]:
    """The photo that was taken, if one was."""
    if not st.toggle("Use webcam", key="camera", on_change=forget, args=(WEBCAM,)):
        return []
    if not camera_allowed(st.context.url or ""):
        st.caption(
            "Browsers allow the camera on HTTPS pages and on localhost only: open the dashboard by one of these."
        )
    shot = st.camera_input("Webcam", width=480, key=WEBCAM, on_change=remember, args=(WEBCAM,))
    return [shot] if shot else []


def camera_allowed(url: str) -> bool:
    """Whether browsers let a page use the camera.

    Args:
        url: of the page.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme != "http" or host in ("localhost", "127.0.0.1", "::1") or host.endswith(".localhost")
