"""Galleries that are shown page by page."""

import streamlit as st


def choose_page(pages: int, of: str) -> int:
    """The page, 1..`pages`, which stands in the address; whoever changes what is shown starts at its first page.

    Args:
        pages: at least 1.
        of: what is shown, in a word.
    """
    if pages == 1:
        return 1
    if st.session_state.setdefault("page-of", of) != of:
        st.session_state["page-of"] = of
        st.session_state["page"] = 1
    return min(st.pagination(pages, key="page", bind="query-params"), pages)
