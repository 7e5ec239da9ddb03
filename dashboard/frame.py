"""What stands around every page: the gate, navigation, tab title, theme, and what is watched for all of them."""

import streamlit as st

from dashboard import routes
from dashboard.state import cache
from dashboard.state.addresses import whole_address
from dashboard.state.roots import data_root, runs_root
from dashboard.ui import gate, messages
from dashboard.ui.components import behaviour
from dashboard.ui.page import THEME, guarded
from dashboard.ui.tab import ICON


def draw() -> None:
    """Draw the page that is asked for."""
    shut = gate.why_shut()
    # At the top, since a sidebar would take a fifth of a laptop's screen from tables and charts. Who is not let in
    # stays at the address of a page that they do not see, and is there after the login.
    page = st.navigation(routes.pages(), position="hidden" if shut else "top")
    if shut:
        gate.draw_way_in(shut)
        st.html(THEME)
        return
    with guarded():
        cache.take_over(runs_root(), data_root())
    st.set_page_config(page_title=routes.page_tab_title(page), page_icon=str(ICON), layout="wide")
    st.logo(str(ICON), size="large")
    with guarded():
        routes.follow_old_link(page)
    with cache.one_look(), whole_address(page.url_path):
        # Lines of text and charts wider than this are hard to read on a large screen.
        with st.container(horizontal_alignment="center"):
            width = st.container(width=1600)
            behaviour.one_step_back()
            behaviour.keep_focus()
            behaviour.ignore_double_clicks()
            behaviour.open_shortcuts_by_key()
            messages.watch_runs()
            st.html(THEME)
        with width, guarded():
            page.run()
        with width:
            gate.foot()
    messages.show_said()
