"""Which runs are ticked: their ids are in the address, so that Back, another filter and a new run leave them alone."""

from collections.abc import Iterable
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
