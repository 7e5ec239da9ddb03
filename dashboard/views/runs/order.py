"""How the runs are sorted, over all pages: by a box, or by clicking the header of a column."""

from typing import Final

import streamlit as st

from core.runs.fields import RUN_FIELDS
from dashboard.ui.page import follow_address
from dashboard.ui.table_clicks import Order, as_order, order_text

SORT: Final = "sort"
"""In the address: the key of a field, after a minus where the largest comes first."""


def current() -> Order:
    """The order in the address; the newest run first where it names none."""
    return as_order(st.query_params.get(SORT, ""), Order())


def sort_by(order: Order) -> None:
    """Write an order to the address."""
    if order == Order():
        st.query_params.pop(SORT, None)
    else:
        st.query_params[SORT] = order_text(order)


def choose() -> Order:
    """A box of all fields, and a button that turns the order round."""
    order = current()
    follow_address(SORT, order.field)
    st.selectbox(
        "Sort by",
        list(RUN_FIELDS),
        format_func=lambda key: f"Sort: {RUN_FIELDS[key].title}",
        key=SORT,
        on_change=_chosen,
        width=200,
        label_visibility="collapsed",
    )
    st.button(
        "Descending" if order.descending else "Ascending",
        icon=":material/arrow_downward:" if order.descending else ":material/arrow_upward:",
        help="Reverse the order",
        key="sort-direction",
        on_click=lambda: sort_by(Order(order.field, not order.descending)),
    )
    return order


def _chosen() -> None:
    field = st.session_state[SORT]
    sort_by(Order(field, RUN_FIELDS[field].descending))
