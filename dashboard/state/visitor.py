"""The visitor: the user who has logged in, else the name that was typed at the top right and kept in the browser."""

from typing import Final
from urllib.parse import unquote

import streamlit as st

from dashboard.state.login_settings import login_settings

NAME_KEY: Final = "who"
"""In the session state, and the key of the one box that asks for it: what was typed."""
COOKIE: Final = "fer-name"
MAX_NAME_CHARACTERS: Final = 60
ENTER_NAME: Final = "Enter your name at the top right"
"""Beginning of the sentence that stands wherever something needs a name."""

NOTIFY_KEY: Final = "notify"
"""In the session state: whether this visitor wants a notification of the browser when a run ends."""
NOTIFY_COOKIE: Final = "fer-notify"

FAILED_COOKIE: Final = "fer-login-failed"
"""Of a visitor who comes back from a login that did not work; see `dashboard.server.logins`."""

HAS_PREDICTED: Final = "has-predicted"
"""In the session state once this visitor has seen a prediction."""


def is_logged_in() -> bool:
    """Whether the server knows who this is, and asks for no name."""
    if login_settings() is None:  # else Streamlit looks for its secrets each time, at every look of a live page
        return False
    return bool(getattr(st.user, "is_logged_in", False))


def who() -> str:
    """The visitor's name; empty as long as it is not known."""
    if is_logged_in():
        name = str(st.user.get("name") or st.user.get("email") or "")
        return " ".join(name.split())[:MAX_NAME_CHARACTERS]
    if NAME_KEY not in st.session_state:
        st.session_state[NAME_KEY] = cookie_value(COOKIE)[:MAX_NAME_CHARACTERS]
    return " ".join(str(st.session_state[NAME_KEY] or "").split())


def wants_notifications() -> bool:
    """Whether the browser shall say so when a run ends."""
    if NOTIFY_KEY not in st.session_state:
        st.session_state[NOTIFY_KEY] = cookie_value(NOTIFY_COOKIE) == "1"
    return bool(st.session_state[NOTIFY_KEY])


def cookie_value(cookie: str) -> str:
    """What the browser had for a cookie when this visit began; empty if nothing."""
    value = st.context.cookies.get(cookie)
    return unquote(value) if isinstance(value, str) else ""
