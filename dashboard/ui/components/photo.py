"""A photo whose faces can be clicked."""

from collections.abc import Callable, Sequence

import streamlit as st
from PIL import Image

from dashboard.ui.components.register import data_address, register_component

_photo = register_component("photo")


def clickable_photo(
    photo: Image.Image,
    boxes: Sequence[tuple[float, float, float, float]],
    names: Sequence[str],
    *,
    width: int,
    key: str,
    on_choose: Callable[[int], None],
) -> None:
    """A photo whose faces can be clicked. A keyboard cannot: there should be a list of them next to it.

    Args:
        photo: RGB.
        boxes: left, top, width, height in pixels of `photo`; of two that overlap the later one is on top.
        names: of the faces, shown under the mouse.
        width: maximum width in pixels of the page.
        key: of the part.
        on_choose: called with the position of the face before the page is drawn again.
    """

    def chosen() -> None:
        if (face := st.session_state[key].chosen) is not None:
            on_choose(face)

    sides = (photo.width, photo.height) * 2
    _photo(
        data={
            "src": data_address(photo, "JPEG", quality=90),
            "alt": f"Uploaded photo with {len(boxes)} detected faces",
            "width": width,
            "aspect": photo.width / photo.height,
            "faces": [
                {"name": name, "box": [value / side for value, side in zip(box, sides, strict=True)]}
                for name, box in zip(names, boxes, strict=True)
            ],
        },
        key=key,
        on_chosen_change=chosen,
    )
