"""The pages and their addresses: what the navigation shows, what a browser tab is called, and where old links lead."""

import re
from collections.abc import Mapping
from typing import Final

import streamlit as st
from streamlit.navigation.page import Page

from core.review.runs import REVIEW_STATES
from core.runs.records import RunState
from dashboard.ui.page import (
    ACTIVITY_PAGE,
    COMPARE_PAGE,
    DATA_PAGE,
    ERRORS_PAGE,
    GROUP_PAGE,
    OVERVIEW_PAGE,
    PREDICT_PAGE,
    RUN_PAGE,
    RUNS_PAGE,
    TRAIN_PAGE,
    go_to,
)
from dashboard.ui.runs import state_label

PRODUCT: Final = "FER"
"""Short: a browser tab has room for some fifteen letters."""

OTHER_OVERVIEW: Final = "overview"
"""The second address of Overview."""


def pages() -> list[Page]:
    """All pages in the order of the navigation. A run is opened from Runs, and so are groups of runs and the log of
    what was done, so they have no entries of their own.

    Streamlit serves the default page at `/` alone, whatever its `url_path` says.
    """
    return [
        st.Page(OVERVIEW_PAGE, title="Overview", icon=":material/dashboard:", url_path="", default=True),
        st.Page(open_overview, title="Overview", url_path=OTHER_OVERVIEW, visibility="hidden"),
        st.Page(DATA_PAGE, title="Data", icon=":material/database:", url_path="data"),
        st.Page(TRAIN_PAGE, title="Train", icon=":material/model_training:", url_path="train"),
        st.Page(RUNS_PAGE, title="Runs", icon=":material/table_rows:", url_path="runs"),
        st.Page(RUN_PAGE, title="Run details", icon=":material/show_chart:", url_path="run", visibility="hidden"),
        st.Page(GROUP_PAGE, title="Group", icon=":material/workspaces:", url_path="group", visibility="hidden"),
        st.Page(COMPARE_PAGE, title="Compare", icon=":material/compare_arrows:", url_path="compare"),
        st.Page(ERRORS_PAGE, title="Error analysis", icon=":material/grid_view:", url_path="errors"),
        st.Page(PREDICT_PAGE, title="Predict", icon=":material/add_reaction:", url_path="predict"),
        st.Page(ACTIVITY_PAGE, title="Activity", icon=":material/history:", url_path="activity", visibility="hidden"),
    ]


def open_overview() -> None:
    """What `/overview` is: the way to `/`."""
    go_to(OVERVIEW_PAGE)


def page_tab_title(page: Page) -> str:
    """What the browser tab is called while this page is open; the page of a run names the run instead."""
    return f"{page.title} – {PRODUCT}"


OLD_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "run": {"split": "run-split"},
    "compare": {name: f"compare-{name}" for name in ("split", "axis", "smoothing", "log", "change")},
    "errors": {name: f"errors-{name}" for name in ("tab", "change")},
}
"""Address of a page to parameter in older links to its present name. No two pages bind one name to a widget: on the way
from one to the other, Streamlit takes it out of the address of the page that is opened."""

OLD_VALUES: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = {
    "run": {"tab": {"Samples": "Predictions", "Errors": "Error analysis", "Settings": "Config"}},
    "runs": {
        "sort": {
            "Newest first": "-created",
            "Oldest first": "created",
            "Best on validation": "-validation",
            "Best val. accuracy": "-validation",
            "Best on test": "-test",
            "Best test accuracy": "-test",
            "Lowest validation loss": "loss",
            "Lowest val. loss": "loss",
            "Longest": "-duration",
            "Longest duration": "-duration",
            "Name": "name",
            "Author": "author",
            "Starred first": "-star",
        },
        "columns": {
            "Validation (best)": "Val. accuracy (best)",
            "Test": "Test accuracy",
            "Test, unseen images": "Test acc. (no train duplicates)",
            "Loss": "Val. loss",
            "Epochs": "Progress",
            "Curve": "Val. accuracy (sparkline)",
        },
        "state": {state.value: state_label(state) for state in RunState},
        "review": {state: state.capitalize() for state in REVIEW_STATES},
    },
}
"""Address of a page to parameter to the values that older links have for it, each with the present one. Streamlit
writes the label of what is selected into the address, so a label that changes would break the links to it."""

COUNTED: Final = {"change", "compare-change", "errors-change", "finding"}
"""Parameters whose values had a number in brackets, which was another one as soon as something had changed."""


def present_query(page: str, query: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The parameters of an address with old names and values replaced; those that are not old are returned as they are.

    Args:
        page: its path, such as `runs`.
        query: parameter to its values.
    """
    names, old = OLD_NAMES.get(page, {}), OLD_VALUES.get(page, {})
    renamed = {names.get(name, name): values for name, values in query.items() if names.get(name) not in query}

    def present(name: str, value: str) -> str:
        label = re.sub(r" \([\d,]+\)$", "", value) if name in COUNTED else value
        return old.get(name, {}).get(label, label)

    return {name: [present(name, value) for value in values] for name, values in renamed.items()}


def follow_old_link(page: Page) -> None:
    """Where an older link was followed: open the page again at the present address, before anything is read for it."""
    if page.url_path == OTHER_OVERVIEW:
        open_overview()
    query = {name: st.query_params.get_all(name) for name in st.query_params}
    present = present_query(page.url_path, query)
    if present != query:
        go_to(page, **present)
