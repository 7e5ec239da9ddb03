"""How pages behave: one press of back per page, the keyboard stays in an open dialog, a double click acts once."""

import streamlit as st

from dashboard.ui.components.register import _FOLDER

_focus = st.components.v2.component("fer_focus", js=(_FOLDER / "focus.js").read_text("utf-8"))
_history = st.components.v2.component("fer_history", js=(_FOLDER / "history.js").read_text("utf-8"))
_clicks = st.components.v2.component("fer_clicks", js=(_FOLDER / "clicks.js").read_text("utf-8"))


def one_step_back() -> None:
    """One press of "back" goes one step back: see history.js."""
    _history(key="history", height=1)


def keep_focus() -> None:
    """The keyboard stays in an open dialog: see focus.js."""
    _focus(key="focus", height=1)


def ignore_double_clicks() -> None:
    """A second click within half a second does nothing, on any button of any page: see clicks.js."""
    _clicks(key="clicks", height=1)
