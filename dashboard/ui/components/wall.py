"""A wall of faces that can be opened, selected and reviewed with single keys."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypedDict
from zlib import crc32

import numpy as np
import streamlit as st
from PIL import Image

from dashboard.state.turns import turns
from dashboard.ui.components.register import data_address, register_component
from dashboard.ui.format import CLASS_COLOURS

SPRITE_COLUMNS: Final = 10


REVEALED: Final = "revealed"
"""In the session: how many times other images were asked for."""


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
    """Groups: a title, and pairs of key and label."""
    undo: str
    """The one after which the keyboard stays at its face."""
    named: bool
    """Whether the reviewer's name is known; while it is not, a key only selects."""


_wall = register_component("wall")


def wall(
    tiles: Sequence[Tile],
    images: np.ndarray,
    key: str,
    keys: Keys,
    on_key: Callable[[str, list[str]], Callable[[], str]],
    *,
    lines: int = 1,
    at: str | None = None,
) -> tuple[list[str], str | None]:
    """Faces to be opened (click, Enter), selected (box, space) and reviewed with one key. The selection is cleared when
    the tiles change.

    Args:
        tiles: one per image.
        images: uint8 (N, 48, 48).
        key: of the part.
        keys: the shortcuts.
        on_key: called before the page is redrawn with each key that was pressed, and the ids of its images: the
            selected ones, else the one in focus. It reads what it needs of the session and returns what does the work
            and says in a sentence what was done, for screen readers: each look into the session may end a script run
            for the next one, and a key counts as received only when none is left.
        lines: of notes that each tile has room for.
        at: id of the image that was looked at last: the keyboard goes on from there when that changes.

    Returns:
        The selected ids, and the id of the image that was opened just now, if one was.
    """
    stamp, received, said = f"{crc32(repr(tiles).encode()):08x}", f"{key}-received", f"{key}-said"
    shown = {tile["id"] for tile in tiles}
    turn = turns()

    def pressed() -> None:
        with turn:  # the next key may take back what this one does
            for press in st.session_state[key].pressed or []:
                if press["n"] > st.session_state.get(received, 0):  # else it was sent again before the browser knew
                    act = on_key(press["key"], [image for image in press["ids"] if image in shown])
                    st.session_state[received] = press["n"]
                    st.session_state[said] = act()

    result = _wall(
        data={
            **_shown(tiles, images, lines, pick=True, stamp=stamp),
            **keys,
            "received": st.session_state.get(received, 0),
            "said": st.session_state.get(said, ""),
            "at": at,
        },
        key=key,
        default={"selected": {"stamp": "", "ids": []}},
        on_selected_change=_nothing,
        on_opened_change=_nothing,
        on_pressed_change=pressed,
    )
    selected = result.selected or {}
    of_this = selected.get("ids", []) if selected.get("stamp") == stamp else []
    opened = result.opened if result.opened in shown else None
    return [image for image in of_this if image in shown], opened


def static_wall(tiles: Sequence[Tile], images: np.ndarray, key: str) -> None:
    """The same, read-only."""
    lines = max((len(tile["notes"]) for tile in tiles), default=0)
    _wall(data=_shown(tiles, images, lines, pick=False, stamp=""), key=key)


def reveal_next() -> None:
    """Other images were asked for: the beginning of their wall is scrolled into sight, if it is not."""
    st.session_state[REVEALED] = st.session_state.get(REVEALED, 0) + 1


def _shown(tiles: Sequence[Tile], images: np.ndarray, lines: int, *, pick: bool, stamp: str) -> dict[str, Any]:
    return {
        "tiles": tiles,
        "lines": lines,
        "pick": pick,
        "reveal": st.session_state.get(REVEALED, 0),
        "stamp": stamp,
        "sprite": sprite(images),
        "columns": SPRITE_COLUMNS,
        "colours": CLASS_COLOURS,
    }


def sprite(images: np.ndarray) -> str:
    """All faces, uint8 (N, 48, 48), in one image of `SPRITE_COLUMNS` columns, as a data URL: one encoding and one
    transfer instead of N."""
    rows = -(-len(images) // SPRITE_COLUMNS)
    cells = np.zeros((rows * SPRITE_COLUMNS, 48, 48), np.uint8)
    cells[: len(images)] = images
    sheet = cells.reshape(rows, SPRITE_COLUMNS, 48, 48).swapaxes(1, 2).reshape(rows * 48, SPRITE_COLUMNS * 48)
    return data_address(Image.fromarray(sheet), "PNG", compress_level=1)


def _nothing() -> None:
    """State exists only with a callback."""
