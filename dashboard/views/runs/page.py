"""Runs: all of them in one table. Its filters, order and columns are in the address."""

import streamlit as st

from core.runs.records import Run
from core.runs.selection import select_runs
from dashboard.state import cache
from dashboard.state.roots import runs_root
from dashboard.ui import pagination
from dashboard.ui.page import TRAIN_PAGE, draw_live, empty_state, go_to, page_title
from dashboard.ui.runs import run_table
from dashboard.views.runs import actions, filters

TABLE_POLL_SECONDS = 2
ROWS = 50  # per page: the curves of these runs are read, no others


def main() -> None:
    runs = cache.runs(runs_root())
    with page_title("Runs"):
        if runs and st.button("Start training", icon=":material/play_arrow:", type="primary"):
            go_to(TRAIN_PAGE)
    if not runs:
        empty_state(
            "No runs yet",
            "Your training runs will be listed here.",
            TRAIN_PAGE,
            "Start your first run",
            ":material/play_arrow:",
        )
        return
    view = filters.view(runs)
    live = any_live(runs)
    draw_live(table, seconds=TABLE_POLL_SECONDS if live else None, view=view, watched=live)


def any_live(runs: list[Run]) -> bool:
    return any(run.state.is_live for run in runs)


def table(view: filters.View, watched: bool) -> None:
    """The runs that match the filters; redrawn by itself for as long as one is `watched`."""
    runs = cache.runs(runs_root())
    if watched != any_live(runs):
        st.rerun()  # the last one has ended, or one has begun: redrawing the page ends or begins the polling
    shown = select_runs(runs, view.wanted, view.order)
    bar = st.container()
    if not shown:
        st.info("No matching runs. Adjust your search or filters.", icon=":material/filter_alt_off:")
        return
    place = st.container()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        rows = page_of(shown, view, missing(runs, shown, view))
    with place:
        selected = run_table(rows, "runs", view.columns, select=True)
        actions.change(selected, shown)
    with bar:
        actions.actions_bar(selected, shown)


def missing(runs: list[Run], shown: list[Run], view: filters.View) -> str:
    """In words, which runs are not shown."""
    archived = 0 if view.wanted.archived else sum(run.meta.archived for run in runs)
    others = len(runs) - len(shown) - archived
    parts = [f"{others:,} hidden by filters"] if others else []
    return " · ".join(["", *parts, *([f"{archived:,} archived"] if archived else [])])


def page_of(shown: list[Run], view: filters.View, rest: str) -> list[Run]:
    """How many there are, and the pagination; the runs of the selected page."""
    pages = -(-len(shown) // ROWS)
    place = st.container()
    page = pagination.choose_page(pages, repr((view.wanted, view.order)))
    rows = shown[(page - 1) * ROWS : page * ROWS]
    of = f"{(page - 1) * ROWS + 1}–{(page - 1) * ROWS + len(rows)} of " if pages > 1 else ""
    place.caption(f"{of}{len(shown):,} {'run' if len(shown) == 1 else 'runs'}{rest}", width="content")
    return rows


main()
