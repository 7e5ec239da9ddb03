"""Tables. Every page draws them with `show_table`, so that none can be downloaded with a formula in it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from zlib import crc32

import pandas as pd
import streamlit as st

from dashboard.ui.format import plain_cell, plain_cells


def show_table(
    frame: pd.DataFrame,
    *,
    column_config: Mapping[str, Any] | None = None,
    column_order: Sequence[str] | None = None,
    written: Mapping[str, Callable[[Any], str]] | None = None,
    **look: Any,
) -> Any:
    """Draw a table, whatever words of people or files are in its cells and headers.

    Args:
        frame: what it shows.
        column_config: column to its look, as `st.dataframe` takes it.
        column_order: the columns to show.
        written: column to what writes its numbers, where no format of Streamlit's can; they are sorted as numbers.
        look: anything else `st.dataframe` takes.

    Returns:
        What `st.dataframe` returns.
    """
    plain = plain_cells(frame)
    return st.dataframe(
        plain.style.format(dict(written), na_rep="") if written else plain,
        column_config={plain_cell(column): each for column, each in (column_config or {}).items()},
        column_order=None if column_order is None else [plain_cell(column) for column in column_order],
        **look,
    )


def rows_key(key: str, rows: Iterable[str]) -> str:
    """The key of a table whose rows can be clicked or ticked, which Streamlit tells by their positions.

    A table of other rows is another widget: so a click never means a row that was not there when it was made.

    Args:
        key: of the table, whatever its rows.
        rows: what tells each row from all others, in their order.
    """
    return f"{key}-{crc32('/'.join(rows).encode()):08x}"
