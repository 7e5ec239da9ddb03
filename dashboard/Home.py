# ruff: noqa: N999 - the name is the one in the command that everybody types
"""The dashboard: `streamlit run dashboard/Home.py`. Page config and navigation; the pages do the rest."""

import sys
from pathlib import Path

import streamlit as st

ICON = Path(__file__).with_name("icon.svg")

# `streamlit run` puts this file's folder on the path; the pages import `core` and `dashboard` from the one above.
ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from dashboard import cache, parts, widgets  # noqa: E402

st.set_page_config(page_title="FER Dashboard", page_icon=str(ICON), layout="wide")

cache.take_over(widgets.runs_root(), widgets.data_root())
st.logo(str(ICON), size="large")
page = st.navigation(
    [
        st.Page(widgets.OVERVIEW, title="Overview", icon=":material/dashboard:", url_path="overview", default=True),
        st.Page(widgets.DATA, title="Data", icon=":material/database:", url_path="data"),
        st.Page(widgets.TRAIN, title="Train", icon=":material/model_training:", url_path="train"),
        st.Page(widgets.RUNS, title="Runs", icon=":material/table_rows:", url_path="runs"),
        st.Page(widgets.RUN, title="Run", icon=":material/show_chart:", url_path="run"),
        st.Page(widgets.COMPARE, title="Compare", icon=":material/compare_arrows:", url_path="compare"),
        st.Page(widgets.ERRORS, title="Errors", icon=":material/grid_view:", url_path="errors"),
        st.Page(widgets.PREDICT, title="Predict", icon=":material/add_reaction:", url_path="predict"),
    ]
)
# Lines of text and charts wider than this are hard to read on a large screen.
with st.container(horizontal_alignment="center"):
    width = st.container(width=1400)
    parts.history()
    parts.keep_focus()
    parts.clicks()
with width, widgets.guarded():
    page.run()
