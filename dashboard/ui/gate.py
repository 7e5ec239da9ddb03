"""The gate in front of all pages of a server with a login, and what is shown to those who do not pass it."""

from typing import Final

import streamlit as st

from dashboard.state import admitted, visitor
from dashboard.state.exposure import is_on_loopback_only
from dashboard.state.login import LOG_IN, NotAdmittedError, admit
from dashboard.state.login_settings import DEFAULT_PROVIDER, login_settings
from dashboard.ui.format import escape
from dashboard.ui.tab import ICON
from dashboard.ui.visitor_menu import log_out_button

FAILED: Final = "The login didn't work. Try again; whoever runs this server finds why in its log."
NO_LOGIN: Final = "This server has no login: it answers this machine only, and everybody on it is an admin."
NO_LOGIN_FOR_OTHERS: Final = "This server has no login: whoever reaches it is an admin."


def why_shut() -> NotAdmittedError | None:
    """Why the visitor of this script run may not see a page; None if they may."""
    settings = login_settings()
    if settings is None:
        return None
    claims = st.user.to_dict()
    try:
        admit(claims, settings)
    except NotAdmittedError as error:
        admitted.turn_away()
        return error
    admitted.let_in(claims)
    return None


def draw_way_in(reason: NotAdmittedError) -> None:
    """The reason in a sentence, and one button: nothing of the project, not even a file of it."""
    settings = login_settings()
    assert settings is not None
    # As text: as a file, the icon would be one of those that only who is logged in gets.
    st.set_page_config(page_title="Log in – FER", page_icon=ICON.read_text("utf-8"))
    with st.container(horizontal_alignment="center"), st.container(width=420, border=True, gap="medium"):
        st.title("FER Dashboard", anchor=False)
        if str(reason) == LOG_IN and visitor.cookie_value(visitor.FAILED_COOKIE):
            st.warning(FAILED, icon=":material/error:")
        st.write(escape(str(reason)))
        if not reason.can_log_in:
            log_out_button()
            return
        for provider in settings.providers:
            label = "Log in" if provider == DEFAULT_PROVIDER else f"Log in with {provider}"
            if st.button(escape(label), key=f"log-in-{provider}", type="primary", icon=":material/login:"):
                st.login(None if provider == DEFAULT_PROVIDER else provider)


def foot() -> None:
    """What stands at the foot of every page: that nobody is asked who they are."""
    if login_settings() is None:
        st.caption(NO_LOGIN if is_on_loopback_only() else NO_LOGIN_FOR_OTHERS)
