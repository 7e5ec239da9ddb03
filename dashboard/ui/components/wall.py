"""A wall of faces that can be ticked, opened and reviewed with single keys."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypedDict
from zlib import crc32

import numpy as np
import streamlit as st
from PIL import Image

from dashboard.ui.components.register import data_address, register
from dashboard.ui.format import CLASS_COLOURS

SPRITE_COLUMNS: Final = 10


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


_wall = register("wall")


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


def static_wall(tiles: Sequence[Tile], images: np.ndarray, key: str) -> None:
    """The same, only to be looked at."""
    _wall(data=_shown(tiles, images, pick=False, stamp=""), key=key)


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
    return data_address(Image.fromarray(sheet), "PNG", compress_level=1)


def _nothing() -> None:
    """State exists only with a callback."""
