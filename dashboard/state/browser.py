"""Which browser a visitor has: told from all others, after a reload, too, and without a name."""

import re
from typing import Final
from uuid import uuid4

import streamlit as st

from dashboard.state import visitor

BROWSER: Final = "browser"
"""In the session state: the id of the visitor's browser."""
BROWSER_COOKIE: Final = "fer-browser"
BROWSER_KEPT_SECONDS: Final = 30 * 24 * 3600


def this_browser() -> str:
    """An id of the visitor's browser, 32 hexadecimal digits."""
    if BROWSER not in st.session_state:
        kept = visitor.cookie_value(BROWSER_COOKIE)
        st.session_state[BROWSER] = kept if re.fullmatch(r"[0-9a-f]{32}", kept) else uuid4().hex
    return str(st.session_state[BROWSER])
