"""What stands at the top right of every page: the visitor's name and API tokens, and the keyboard shortcuts."""

from typing import Final

import streamlit as st

from core.labels import LABELS
from dashboard.state import visitor
from dashboard.state.actor import actor
from dashboard.ui.components.behaviour import keep_cookies
from dashboard.ui.format import escape
from dashboard.ui.notifications import notifications_dialog

KEPT_SECONDS: Final = 365 * 24 * 3600
LONGEST_LABEL: Final = 20

SHORTCUTS: Final = {
    "All pages": (
        ("?", "Show this list"),
        ("Esc", "Close a dialog, a menu or this list"),
        ("Tab, Shift+Tab", "Next, previous control"),
        ("Enter, Space", "Press the focused button"),
    ),
    "Table of runs": (
        ("↑ ↓", "Move between rows"),
        ("Shift+Space", "Select a row; the buttons above the table act on selected runs"),
    ),
    "Confusion matrix": (
        ("← ↑ → ↓", "Move between cells"),
        ("Enter, Space", "Show the images of a cell; press again to clear"),
    ),
    "Images of the error analysis": (
        ("← ↑ → ↓", "Move between images"),
        ("Space, Shift+Space", "Select an image, a range"),
        ("Enter", "Open an image; ← → in the viewer: previous, next"),
        (f"1 to {len(LABELS)}", f"Relabel as {', '.join(LABELS)}"),
        ("A", "Ambiguous"),
        ("H", "Hard, label correct"),
        ("N", "Not a face"),
        ("M", "Model error"),
        ("U", "Undo the last review"),
    ),
}
"""Where, and which key does what."""


def visitor_menu() -> None:
    """The menus."""
    with st.container(horizontal=True, vertical_alignment="center", width="content", gap="xsmall"):
        keep_in_browser()
        name_menu()
        if st.button("API", type="tertiary", help="API tokens, for programs", key="api-tokens"):
            from dashboard.ui.api_tokens import api_tokens  # draws as pages do, which have this menu

            api_tokens()
        if st.button("?", type="tertiary", help="Keyboard shortcuts", key="shortcuts"):
            shortcut_list()


def name_menu() -> None:
    """The name under which the visitor starts runs, reviews and comments, and what the browser keeps with it."""
    name = visitor.who()
    short = name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…"
    with st.popover(
        escape(short) or "Your name", icon=":material/person:", type="tertiary", key="name", width="content"
    ):
        if visitor.is_logged_in():
            me = actor()
            st.text(f"{me.name}\n{me.email}\nRole: {me.role}")
            log_out_button()
        else:
            st.text_input(
                "Your name",
                key=visitor.NAME_KEY,
                max_chars=visitor.MAX_NAME_CHARACTERS,
                persist_state="session",
                placeholder="e.g. Ada",
            )
            st.caption("Shown with your runs, reviews and comments. This browser remembers it.")
        visitor.wants_notifications()  # as the browser remembers it
        st.toggle(
            "Notify me when a run ends",
            key=visitor.NOTIFY_KEY,
            persist_state="session",
            help="The browser asks once whether it may show notifications. It needs HTTPS or localhost.",
        )
        if st.button(
            "Webhook and e-mail…", icon=":material/notifications:", type="tertiary", key="notifications-dialog"
        ):
            notifications_dialog()


def log_out_button() -> None:
    """Ends the login, in all tabs."""
    if st.button("Log out", key="log-out", icon=":material/logout:"):
        st.logout()


def keep_in_browser() -> None:
    """Let the browser remember the choices for the next visit: Streamlit reads cookies and cannot write them. Outside
    the popover, whose content is gone by the time the name is known if a click elsewhere ends the typing. Drawn always,
    also for nothing: what came and went would move what stands beside it."""
    cookies = {visitor.NOTIFY_COOKIE: "1" if visitor.wants_notifications() else ""}
    if not visitor.is_logged_in():
        cookies[visitor.COOKIE] = visitor.who()
    # an older tab does not undo what was chosen in another one
    new = {cookie: value for cookie, value in cookies.items() if value != visitor.cookie_value(cookie)}
    keep_cookies(new, KEPT_SECONDS, "visitor")


@st.dialog("Keyboard shortcuts", icon=":material/keyboard:")
def shortcut_list() -> None:
    """All keyboard shortcuts, by place; on so few lines that a laptop shows them without scrolling."""
    for place, keys in SHORTCUTS.items():
        lines = "  \n".join(f"**{escape(key)}** {escape(action)}" for key, action in keys)
        st.markdown(f":small[{place}]  \n{lines}")
