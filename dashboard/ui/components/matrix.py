"""A confusion matrix of buttons."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from dashboard.ui.components.register import register_component

_matrix = register_component("matrix")


def clickable_matrix(
    data: Mapping[str, Any], key: str, on_choose: Callable[[], None] | None = None
) -> Mapping[str, int | None] | None:
    """A square table of buttons. A click on a cell, on the name of a row or of a column sets the trigger `chosen`,
    `{"row": index or null, "column": index or null}`, under `key` in the session.

    Args:
        data: `labels`, and rows of cells: `text`, `shade` (0..1) and `title`; `chosen` [row, column], each an index
            or None; `rows` and `columns`, what they mean; `caption`; `skip`, whether a wall of images follows.
        key: of the part.
        on_choose: called before the page is drawn again.

    Returns:
        What was clicked just now; None in every other script run.
    """
    return cast(
        "Mapping[str, int | None] | None", _matrix(data=data, key=key, on_chosen_change=on_choose or _nothing).chosen
    )


def _nothing() -> None:
    """A trigger exists only with a callback."""
