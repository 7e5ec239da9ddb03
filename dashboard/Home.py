# ruff: noqa: N999 - the name is the one in the command that everybody types
"""The dashboard: `streamlit run dashboard/Home.py`. Page config and frame; `routes.py` has the pages."""

import sys
from pathlib import Path

import streamlit as st

# `streamlit run` puts this file's folder on the path; the pages import `core` and `dashboard` from the one above.
ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

try:
    import core  # noqa: F401 - says where it cannot run
except SystemExit as unsupported:
    st.error(str(unsupported), icon=":material/error:")
    st.stop()

from dashboard import routes  # noqa: E402
from dashboard.state import cache  # noqa: E402
from dashboard.state.addresses import whole_address  # noqa: E402
from dashboard.state.roots import data_root, runs_root  # noqa: E402
from dashboard.ui import messages  # noqa: E402
from dashboard.ui.components import behaviour  # noqa: E402
from dashboard.ui.page import THEME, guarded  # noqa: E402
from dashboard.ui.tab import ICON  # noqa: E402

with guarded():
    cache.take_over(runs_root(), data_root())
# At the top, since a sidebar would take a fifth of a laptop's screen from tables and charts.
page = st.navigation(routes.pages(), position="top")
st.set_page_config(page_title=routes.page_tab_title(page), page_icon=str(ICON), layout="wide")
st.logo(str(ICON), size="large")
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
messages.show_said()
