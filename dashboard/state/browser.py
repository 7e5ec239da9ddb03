"""Which browser a visitor has: told from all others, after a reload, too, and without a name."""

import re
from typing import Final
from uuid import uuid4

import streamlit as st

BROWSER_COOKIE: Final = "fer-browser"
BROWSER_KEPT_SECONDS: Final = 30 * 24 * 3600


def this_browser() -> str:
    """An id of the visitor's browser, 32 hexadecimal digits."""
    if "browser" not in st.session_state:
        kept = st.context.cookies.get(BROWSER_COOKIE)
        known = isinstance(kept, str) and re.fullmatch(r"[0-9a-f]{32}", kept)
        st.session_state["browser"] = kept if known else uuid4().hex
    return str(st.session_state["browser"])


def remember_browser() -> None:
    """Let the browser keep its id. Streamlit reads cookies and cannot write them."""
    cookie = f"{BROWSER_COOKIE}={this_browser()}; path=/; max-age={BROWSER_KEPT_SECONDS}; samesite=lax"
    st.html(f'<script>document.cookie = "{cookie}"</script>', unsafe_allow_javascript=True)
