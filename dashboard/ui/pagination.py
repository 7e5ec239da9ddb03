"""Galleries and tables that are shown page by page."""

from zlib import crc32

import streamlit as st

from dashboard.ui.components.wall import reveal_next
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
    stamp = _stamp(of)
    number, _, of_this = st.query_params.get(PAGE_KEY, "").partition("-")
    wanted = min(max(int(number), 1), pages) if of_this in ("", stamp) and number.isdecimal() else 1
    return _links(pages, wanted, stamp, PAGE_KEY)


def links_below(pages: int, of: str, page: int) -> None:
    """The same links again beneath what is shown, where one is after the last image.

    Args:
        pages: as for `choose_page`.
        of: as for `choose_page`.
        page: the one shown.
    """
    if pages > 1:
        _links(pages, page, _stamp(of), f"{PAGE_KEY}-below")


def turn_to(page: int, of: str) -> None:
    """Show another page in the next script run."""
    st.query_params[PAGE_KEY] = f"{page}-{_stamp(of)}"


def _links(pages: int, page: int, stamp: str, key: str) -> int:
    follow_address(key, page)
    return st.pagination(pages, key=key, on_change=_turn, args=(stamp, key))


def _stamp(of: str) -> str:
    return f"{crc32(of.encode()):08x}"


def _turn(stamp: str, key: str) -> None:
    """A page was clicked: write it to the address, from which the page is drawn."""
    st.query_params[PAGE_KEY] = f"{st.session_state[key]}-{stamp}"
    reveal_next()
