"""Galleries that are shown page by page."""

from zlib import crc32

import streamlit as st


def choose_page(pages: int, of: str) -> int:
    """The page, 1..`pages`. It stands in the address together with what it is a page of: whoever changes what is shown
    starts at its first page, and whoever goes back finds the page that was left.

    Args:
        pages: at least 1.
        of: names all that is shown, such as run, split and filters.
    """
    if pages == 1:
        return 1
    stamp = f"{crc32(of.encode()):08x}"
    number, _, of_this = st.query_params.get("page", "").partition("-")
    default = min(max(int(number), 1), pages) if of_this == stamp and number.isdecimal() else 1
    # The key holds the address's page: the widget must follow the address, not its own memory.
    page = st.pagination(pages, default=default, key=f"page-{stamp}-{default}")
    if page != default:
        st.query_params["page"] = f"{page}-{stamp}"
    return page
