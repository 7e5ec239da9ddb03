"""The visitor: the user who has logged in, else a name asked for once and kept in the browser."""

from typing import Final
from urllib.parse import quote, unquote

import streamlit as st

COOKIE: Final = "fer-name"
MAX_NAME_CHARACTERS: Final = 60
KEPT_SECONDS: Final = 365 * 24 * 3600


def who(*, ask: bool = True, key: str = "who") -> str:
    """The visitor's name; empty as long as it is not known.

    Args:
        ask: draw a box for the name, unless they have logged in.
        key: of that box; a second one on the same page needs another.
    """
    if getattr(st.user, "is_logged_in", False):
        return str(st.user.get("name") or st.user.get("email") or "")
    if "who" not in st.session_state:
        kept = st.context.cookies.get(COOKIE)
        st.session_state["who"] = unquote(kept)[:MAX_NAME_CHARACTERS] if isinstance(kept, str) else ""
    if ask and key == "who":
        st.text_input(
            "Your name",
            key=key,
            max_chars=MAX_NAME_CHARACTERS,
            persist_state="session",
            placeholder="Shown with your reviews and comments",
        )
    elif ask:
        st.text_input("Your name", key=key, max_chars=MAX_NAME_CHARACTERS, on_change=_take, args=(key,))
    name = " ".join(str(st.session_state["who"] or "").split())
    if ask:
        _keep(name)
    return name


def _take(key: str) -> None:
    st.session_state["who"] = st.session_state[key]


def _keep(name: str) -> None:
    """Let the browser remember the name for the next visit. Streamlit reads cookies and cannot write them. Drawn every
    time, also for no name: what came and went would move all that stands below."""
    value = quote(name, safe="")  # leaves letters, digits and _ . - ~ % only: nothing that could end the string
    script = name and f'document.cookie = "{COOKIE}={value}; path=/; max-age={KEPT_SECONDS}; samesite=lax"'
    st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)


HAS_PREDICTED: Final = "has-predicted"
"""In the session state once this visitor has seen a prediction."""
