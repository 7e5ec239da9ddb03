"""How the components of this folder become Streamlit components."""

import base64
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import streamlit as st
from PIL import Image

_FOLDER: Final = Path(__file__).parent


def register_component(name: str) -> Callable[..., Any]:
    return st.components.v2.component(
        f"fer_{name}",
        html=f'<div class="{name}"></div>',
        css=(_FOLDER / f"{name}.css").read_text("utf-8"),
        js=(_FOLDER / f"{name}.js").read_text("utf-8"),
    )


def data_address(image: Image.Image, kind: str, **settings: Any) -> str:
    """The image as a data URL."""
    buffer = BytesIO()
    image.save(buffer, kind, **settings)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
