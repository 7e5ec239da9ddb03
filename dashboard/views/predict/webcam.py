"""A photo of the webcam."""

from typing import Any

import streamlit as st

from dashboard.views.predict.uploads import WEBCAM, camera_allowed, forget_uploads, remember


def webcam() -> list[Any]:
    """The photo that was taken, if one was."""
    if not st.toggle("Use webcam", key="camera", on_change=forget_uploads, args=(WEBCAM,)):
        return []
    if not camera_allowed(st.context.url):
        st.info(
            "Browsers allow the camera only over HTTPS or on localhost. Open the dashboard at such an address, or "
            "upload a photo.",
            icon=":material/no_photography:",
        )
        return []
    shot = st.camera_input("Webcam", width=480, key=WEBCAM, on_change=remember, args=(WEBCAM,))
    return [shot] if shot else []
