"""One thing after the other, within a visit."""

import threading
from typing import Final

import streamlit as st

_KEY: Final = "turns"


def turns() -> threading.Lock:
    """The lock of this visit, for a callback that reads what another one may be writing: Streamlit begins the script
    run of the next click or key while the callback of the one before is still at work, in a thread of its own. To be
    asked for when the page is drawn, so that it is there before the first callback."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = threading.Lock()
    lock: threading.Lock = st.session_state[_KEY]
    return lock
