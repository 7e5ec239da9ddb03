"""The runs of a group as a table: sorted by any column, ticked to be compared."""

import streamlit as st

from core.runs.fields import setting_key
from core.runs.groups import Group, Members
from core.runs.selection import sort_runs
from dashboard.ui.page import COMPARE_PAGE, go_to
from dashboard.ui.run_table import sortable_run_table
from dashboard.ui.runs import open_run
from dashboard.ui.table_clicks import Order, after_click, after_header_click, as_order, order_text

MEMBER_SORT = "group-sort"
"""In the address."""
BEST_FIRST = Order("validation", descending=True)
MOST_COMPARED = 5


def member_table(group: Group, members: Members) -> None:
    """All runs that are there, the best first, with the settings in which they differ."""
    runs = list(members.runs)
    ids = {run.id for run in runs}
    key = f"group-ticked-{group.name}"
    ticked = [run_id for run_id in st.session_state.get(key, []) if run_id in ids]
    order = as_order(st.query_params.get(MEMBER_SORT, ""), BEST_FIRST)
    runs = sort_runs(runs, order.field, descending=order.descending)

    def clicked(shown: list[str], rows: list[int], columns: list[str]) -> None:
        if columns:
            st.query_params[MEMBER_SORT] = order_text(after_header_click(order, columns[0]))
        else:
            st.session_state[key] = after_click(ticked, shown, rows)

    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        best = [run.id for run in sort_runs(runs, "validation") if run.validation_accuracy is not None][:MOST_COMPARED]
        chosen = ticked if len(ticked) > 1 else best
        label = f"Compare {'' if len(ticked) > 1 else 'the best '}{len(chosen)}" if len(chosen) > 1 else "Compare"
        if st.button(label, icon=":material/compare_arrows:", key="group-compare", disabled=len(chosen) < 2):
            go_to(COMPARE_PAGE, runs=",".join(chosen))
        if st.button("Open", icon=":material/open_in_new:", key="group-open", disabled=len(ticked) != 1):
            open_run(ticked[0])
        st.caption(f"{len(ticked)} selected" if ticked else "Select rows to compare others.", width="content")
    settings = [setting_key(name) for name in group.record.fields]
    first = settings or ["name"]  # the names begin alike
    columns = [*first, "state", "validation", "epochs", "loss", "curve", "duration", "error"]
    sortable_run_table(runs, "members", columns, ticked=ticked, on_select=clicked, sorted_by=order)
