"""What the Runs page is asked to show: filters, order and columns, each kept in the address."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from core.review.runs import REVIEW_STATES
from core.runs.records import Run, RunState
from core.runs.selection import RUN_ORDERS, RunFilter
from dashboard.ui.runs import state_label

COLUMNS: Final = {
    "star": "Star",
    "state": "State",
    "name": "Name",
    "validation": "Val. accuracy (best)",
    "test": "Test accuracy",
    "unseen": "Test acc. (no train duplicates)",
    "loss": "Val. loss",
    "curve": "Val. accuracy (sparkline)",
    "epochs": "Epochs",
    "duration": "Duration",
    "created": "Created",
    "device": "Device",
    "author": "Author",
    "review": "Review",
    "tags": "Tags",
    "error": "Error",
}
"""Column to its label, in the order of the table."""
USUAL_COLUMNS: Final = [column for column in COLUMNS if column not in ("epochs", "created")]


@dataclass(frozen=True)
class View:
    """What the page shows."""

    wanted: RunFilter
    order: str
    columns: list[str]


def view(runs: Sequence[Run]) -> View:
    """Search, order and columns; below them the filters, each with its existing values: one without any is left out."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        text = st.text_input(
            "Search",
            placeholder="Search by name, ID, author, notes or error",
            icon=":material/search:",
            key="q",
            bind="query-params",
            width="stretch",
            label_visibility="collapsed",
        )
        order = st.selectbox(
            "Sort",
            list(RUN_ORDERS),
            format_func=lambda key: RUN_ORDERS[key].title,
            key="sort",
            bind="query-params",
            width=190,
            label_visibility="collapsed",
        )
        with st.popover("Columns", icon=":material/view_column:"):
            columns = st.pills(
                "Columns",
                list(COLUMNS),
                selection_mode="multi",
                default=USUAL_COLUMNS,
                format_func=COLUMNS.__getitem__,
                key="columns",
                bind="query-params",
                wrap=True,
            )
            archived = st.toggle("Show archived runs", key="archived", bind="query-params")
    with st.grid(4, min_column_width=130):
        states = filter_choice(
            "State", "state", [state for state in RunState if any(run.state is state for run in runs)], state_label
        )
        tags = filter_choice("Tag", "tag", sorted({tag for run in runs for tag in run.meta.tags}))
        authors = filter_choice("Author", "author", sorted({run.meta.author for run in runs} - {""}))
        present = {run.meta.review for run in runs}
        reviews = filter_choice(
            "Review", "review", [review for review in REVIEW_STATES if review in present], str.capitalize
        )
    wanted = RunFilter((text or "").strip(), states, tags, authors, reviews, archived)
    return View(wanted, order, [column for column in COLUMNS if column in columns])


def filter_choice(label: str, key: str, options: Iterable[str], label_of: Callable[[str], str] = str) -> list[str]:
    """A filter by one property; `label_of` gives the label of an option."""
    values = [str(option) for option in options]
    if not values:
        return []
    return st.multiselect(
        label,
        values,
        format_func=label_of,
        key=key,
        bind="query-params",
        placeholder=label,
        label_visibility="collapsed",
    )
