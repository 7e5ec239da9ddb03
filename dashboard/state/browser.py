"""Which browser a visitor has: told from all others, after a reload, too, and without a name."""

import re
from typing import Final
from uuid import uuid4

import streamlit as st

COOKIE: Final = "fer-browser"
KEPT_SECONDS: Final = 30 * 24 * 3600


def this_browser() -> str:
    """An id of the visitor's browser, 32 hexadecimal digits."""
    if "browser" not in st.session_state:
        kept = st.context.cookies.get(COOKIE)
        known = isinstance(kept, str) and re.fullmatch(r"[0-9a-f]{32}", kept)
        st.session_state["browser"] = kept if known else uuid4().hex
    return str(st.session_state["browser"])


def remember_browser() -> None:
    """Let the browser keep its id. Streamlit reads cookies and cannot write them."""
    script = f'document.cookie = "{COOKIE}={this_browser()}; path=/; max-age={KEPT_SECONDS}; samesite=lax"'
    st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)
