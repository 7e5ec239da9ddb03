"""Which runs are ticked: their ids are in the address, so that Back, another filter and a new run leave them alone."""

from collections.abc import Iterable, Sequence
from typing import Final

import streamlit as st

TICKED: Final = "selected"


def ticked() -> list[str]:
    """The ids, in the order in which they were ticked; there may be none of that id any more."""
    return [run_id for run_id in st.query_params.get(TICKED, "").split(",") if run_id]


def tick(ids: Iterable[str]) -> None:
    """From now on these are ticked, and no others."""
    text = ",".join(dict.fromkeys(ids))
    if text:
        st.query_params[TICKED] = text
    else:
        st.query_params.pop(TICKED, None)


def after_click(before: Sequence[str], shown: Sequence[str], rows: Iterable[int]) -> list[str]:
    """What is ticked after a click.

    A mouse adds or removes rows. Shift and space on the keyboard replace all rows by one, in Streamlit's table: so a
    single row that was not ticked, where others were, is added to them. Otherwise nobody could compare without a mouse.

    Args:
        before: ids of all runs that were ticked.
        shown: ids of the rows.
        rows: the ticked positions.
    """
    now = [shown[row] for row in rows]
    if len(now) == 1 and now[0] not in before:
        now = [*(run_id for run_id in before if run_id in shown), *now]
    elsewhere = [run_id for run_id in before if run_id not in shown]
    return [*elsewhere, *now]
