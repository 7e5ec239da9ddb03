"""What Streamlit does not have: a confusion matrix of buttons, a wall of faces that can be ticked and judged, a photo
whose faces can be clicked, a browser's back button that needs one press per page, and buttons that act once for a
double click.

The first two are plain HTML that a keyboard and a screen reader can use; the photo stands beside a list of its faces.
What they show comes as data and is set as text, never as markup. The others show nothing.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Final, TypedDict
from zlib import crc32

import numpy as np
import streamlit as st
from PIL import Image

from dashboard.widgets import CLASS_COLOURS

_FOLDER: Final = Path(__file__).parent
SPRITE_COLUMNS: Final = 10


def _component(name: str) -> Callable[..., Any]:
    return st.components.v2.component(
        f"fer_{name}",
        html=f'<div class="{name}"></div>',
        css=(_FOLDER / f"{name}.css").read_text(),
        js=(_FOLDER / f"{name}.js").read_text(),
    )


class Tile(TypedDict):
    """One face on a wall."""

    id: str
    true: str
    """Class names, both."""
    predicted: str
    right: bool
    confidence: float
    """0..1."""
    notes: list[str]


class Keys(TypedDict):
    """What single keys do on a wall."""

    legend: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    """Groups: a title, and pairs of key and what it says."""
    undo: str
    """The one after which the keyboard stays at its face."""
    named: bool
    """Whether it is known who looks at the wall; while it is not, a key only ticks."""


_matrix = _component("matrix")
_wall = _component("wall")
_photo = _component("photo")
_focus = st.components.v2.component("fer_focus", js=(_FOLDER / "focus.js").read_text())
_history = st.components.v2.component("fer_history", js=(_FOLDER / "history.js").read_text())
_clicks = st.components.v2.component("fer_clicks", js=(_FOLDER / "clicks.js").read_text())


def history() -> None:
    """One press of "back" takes one step back: see history.js."""
    _history(key="history", height=1)


def keep_focus() -> None:
    """The keyboard stays in an open dialog: see focus.js."""
    _focus(key="focus", height=1)


def clicks() -> None:
    """A second click within half a second does nothing, on any button of any page: see clicks.js."""
    _clicks(key="clicks", height=1)


def matrix(data: Mapping[str, Any], key: str, on_choose: Callable[[], None]) -> None:
    """A square table of buttons. A click on a cell, on the name of a row or of a column sets the trigger `chosen`,
    `{"row": index or null, "column": index or null}`, under `key` in the session and calls `on_choose`.

    Args:
        data: `labels`, and rows of cells: `text`, `shade` (0..1) and `title`; `chosen` [row, column], each an index
            or None; `rows` and `columns`, what they mean; `caption`.
        key: of the part.
        on_choose: called before the page is drawn again.
    """
    _matrix(data=data, key=key, on_chosen_change=on_choose)


def wall(
    tiles: Sequence[Tile],
    images: np.ndarray,
    key: str,
    keys: Keys,
    on_key: Callable[[str, list[str]], Callable[[], None]],
) -> tuple[list[str], str | None]:
    """Faces to be ticked (click, space), opened (double click, Enter) and judged with one key. Ticks begin anew when
    the tiles change.

    Args:
        tiles: one per image.
        images: uint8 (N, 48, 48).
        key: of the part.
        keys: those that judge.
        on_key: called before the page is drawn again with each that was pressed, and the ids of the images it is about:
            the ticked ones, else the one in focus. It reads what it needs of the session and gives back what does the
            work: each look into the session may end a script run for the next one, and a key counts as heard only
            when none is left.

    Returns:
        The ids that are ticked, and the id of the image that was opened just now, if one was.
    """
    stamp, heard = f"{crc32(repr(tiles).encode()):08x}", f"{key}-heard"
    shown = {tile["id"] for tile in tiles}

    def judged() -> None:
        for said in st.session_state[key].judged or []:
            if said["n"] > st.session_state.get(heard, 0):  # else it was told again before the browser knew
                act = on_key(said["key"], [image for image in said["ids"] if image in shown])
                st.session_state[heard] = said["n"]
                act()

    result = _wall(
        data={**_shown(tiles, images, pick=True, stamp=stamp), **keys, "heard": st.session_state.get(heard, 0)},
        key=key,
        default={"ticked": {"stamp": "", "ids": []}},
        on_ticked_change=_nothing,
        on_opened_change=_nothing,
        on_judged_change=judged,
    )
    ticked = result.ticked or {}
    of_this = ticked.get("ids", []) if ticked.get("stamp") == stamp else []
    opened = result.opened if result.opened in shown else None
    return [image for image in of_this if image in shown], opened


def faces(tiles: Sequence[Tile], images: np.ndarray, key: str) -> None:
    """The same, only to be looked at."""
    _wall(data=_shown(tiles, images, pick=False, stamp=""), key=key)


def photo(
    picture: Image.Image,
    boxes: Sequence[tuple[float, float, float, float]],
    names: Sequence[str],
    *,
    width: int,
    key: str,
    on_choose: Callable[[int], None],
) -> None:
    """A photo whose faces can be clicked. A keyboard cannot: there should be a list of them beside it.

    Args:
        picture: RGB.
        boxes: left, top, width, height in pixels of `picture`; of two that overlap the later one is on top.
        names: of the faces, shown under the mouse.
        width: at most so wide, in pixels of the page.
        key: of the part.
        on_choose: called with the position of the face before the page is drawn again.
    """

    def chosen() -> None:
        if (face := st.session_state[key].chosen) is not None:
            on_choose(face)

    sides = (picture.width, picture.height) * 2
    _photo(
        data={
            "src": _address(picture, "JPEG", quality=90),
            "alt": f"the photo, {len(boxes)} faces",
            "width": width,
            "aspect": picture.width / picture.height,
            "faces": [
                {"name": name, "box": [value / side for value, side in zip(box, sides, strict=True)]}
                for name, box in zip(names, boxes, strict=True)
            ],
        },
        key=key,
        on_chosen_change=chosen,
    )


def _shown(tiles: Sequence[Tile], images: np.ndarray, pick: bool, stamp: str) -> dict[str, Any]:
    return {
        "tiles": tiles,
        "pick": pick,
        "stamp": stamp,
        "sprite": sprite(images),
        "columns": SPRITE_COLUMNS,
        "colours": CLASS_COLOURS,
    }


def sprite(images: np.ndarray) -> str:
    """All faces, uint8 (N, 48, 48), in one picture of `SPRITE_COLUMNS` columns, as a data address: one encoding and
    one transfer instead of N."""
    rows = -(-len(images) // SPRITE_COLUMNS)
    cells = np.zeros((rows * SPRITE_COLUMNS, 48, 48), np.uint8)
    cells[: len(images)] = images
    sheet = cells.reshape(rows, SPRITE_COLUMNS, 48, 48).swapaxes(1, 2).reshape(rows * 48, SPRITE_COLUMNS * 48)
    return _address(Image.fromarray(sheet), "PNG", compress_level=1)


def _address(picture: Image.Image, kind: str, **settings: Any) -> str:
    """The whole picture as an address."""
    buffer = BytesIO()
    picture.save(buffer, kind, **settings)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _nothing() -> None:
    """State exists only with a callback."""
