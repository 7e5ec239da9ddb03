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

from dashboard.state import cache  # noqa: E402
from dashboard.state.roots import data_root, runs_root  # noqa: E402
from dashboard.ui.components.behaviour import ignore_double_clicks, keep_focus, one_step_back  # noqa: E402
from dashboard.ui.page import (  # noqa: E402
    COMPARE_PAGE,
    DATA_PAGE,
    ERRORS_PAGE,
    OVERVIEW_PAGE,
    PREDICT_PAGE,
    RUN_PAGE,
    RUNS_PAGE,
    TRAIN_PAGE,
    guarded,
)

st.set_page_config(page_title="FER Dashboard", page_icon=str(ICON), layout="wide")

cache.take_over(runs_root(), data_root())
st.logo(str(ICON), size="large")
page = st.navigation(
    [
        st.Page(OVERVIEW_PAGE, title="Overview", icon=":material/dashboard:", url_path="overview", default=True),
        st.Page(DATA_PAGE, title="Data", icon=":material/database:", url_path="data"),
        st.Page(TRAIN_PAGE, title="Train", icon=":material/model_training:", url_path="train"),
        st.Page(RUNS_PAGE, title="Runs", icon=":material/table_rows:", url_path="runs"),
        st.Page(RUN_PAGE, title="Run", icon=":material/show_chart:", url_path="run"),
        st.Page(COMPARE_PAGE, title="Compare", icon=":material/compare_arrows:", url_path="compare"),
        st.Page(ERRORS_PAGE, title="Errors", icon=":material/grid_view:", url_path="errors"),
        st.Page(PREDICT_PAGE, title="Predict", icon=":material/add_reaction:", url_path="predict"),
    ]
)
# Lines of text and charts wider than this are hard to read on a large screen.
with st.container(horizontal_alignment="center"):
    width = st.container(width=1400)
    one_step_back()
    keep_focus()
    ignore_double_clicks()
with width, guarded():
    page.run()
