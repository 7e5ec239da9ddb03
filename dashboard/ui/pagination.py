"""Galleries and tables that are shown page by page."""

from zlib import crc32

import streamlit as st

from dashboard.ui.page import follow_address

PAGE_KEY = "page"
"""Of the widget, and of its parameter in the address."""


def choose_page(pages: int, of: str) -> int:
    """The page, 1..`pages`. It is in the address together with what it is a page of: whoever changes what is shown
    starts at its first page, and whoever goes back finds the page that was left.

    Args:
        pages: at least 1.
        of: names all that is shown, such as run, split and filters.
    """
    if pages == 1:
        return 1
    stamp = f"{crc32(of.encode()):08x}"
    number, _, of_this = st.query_params.get(PAGE_KEY, "").partition("-")
    wanted = min(max(int(number), 1), pages) if of_this in ("", stamp) and number.isdecimal() else 1
    follow_address(PAGE_KEY, wanted)
    return st.pagination(pages, key=PAGE_KEY, on_change=_turn, args=(stamp,))


def _turn(stamp: str) -> None:
    """A page was clicked: write it to the address, from which the page is drawn."""
    st.query_params[PAGE_KEY] = f"{st.session_state[PAGE_KEY]}-{stamp}"
