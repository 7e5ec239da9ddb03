"""Runs: all of them in one table. Filters, groups, order, columns and ticks are in the address."""

import streamlit as st

from core.runs.records import Run
from core.runs.selection import group_runs, sort_runs
from core.team.rights import Action, may
from dashboard.state import cache
from dashboard.state.actor import actor
from dashboard.state.roots import runs_root
from dashboard.ui import pagination
from dashboard.ui.page import ACTIVITY_PAGE, GROUP_PAGE, TRAIN_PAGE, draw_live, empty_state, go_to, page_title
from dashboard.ui.run_table import sortable_run_table
from dashboard.ui.table_clicks import after_click, after_header_click
from dashboard.views.runs import actions, filters, order, ticks
from dashboard.views.runs.groups import group_table
from dashboard.views.runs.importing import import_button

TABLE_POLL_SECONDS = 2
ROWS = 25  # per page: all are in sight without a scroller of their own, and the curves of no others are read


def main() -> None:
    runs = cache.runs(runs_root())
    with page_title("Runs"):
        import_button()
        if (
            runs
            and may(actor(), Action.START)
            and st.button("Start training", icon=":material/play_arrow:", type="primary")
        ):
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
    live = any_live(runs)
    draw_live(all_runs, seconds=TABLE_POLL_SECONDS if live else None, watched=live)


def any_live(runs: list[Run]) -> bool:
    return any(run.state.is_live for run in runs)


def all_runs(watched: bool) -> None:
    """The runs that match the filters; redrawn by itself for as long as one is `watched`."""
    runs = cache.runs(runs_root())
    if watched != any_live(runs):
        st.rerun()  # the last one has ended, or one has begun: redrawing the page ends or begins the polling
    view = filters.view(runs)
    shown = sort_runs(view.wanted.fitting(runs), view.order.field, descending=view.order.descending)
    ticked = ticks.ticked()
    selected = [run for run in runs if run.id in set(ticked)]
    actions.actions_bar(selected, shown)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        rows = page_of(shown, view, missing(runs, shown, view))
    if not shown:
        st.info("No matching runs. Adjust your search or filters.", icon=":material/filter_alt_off:")
        return
    if view.group_by:
        chosen, others = filters.grouped_fields(view, shown)
        if groups := group_runs(shown, [*chosen, *others]):
            group_table(groups, chosen, ticked, ticks.tick)
    sortable_run_table(rows, "runs", view.columns, ticked=set(ticked), on_select=table_clicked, sorted_by=view.order)


def table_clicked(shown: list[str], rows: list[int], columns: list[str]) -> None:
    """A header was clicked, which sorts all runs by it, or rows were ticked."""
    if columns:
        order.sort_by(after_header_click(order.current(), columns[0]))
    else:
        ticks.tick(after_click(ticks.ticked(), shown, rows))


def missing(runs: list[Run], shown: list[Run], view: filters.View) -> str:
    """In words, which runs are not shown."""
    archived = 0 if view.wanted.archived else sum(run.meta.archived for run in runs)
    others = len(runs) - len(shown) - archived
    parts = [f"{others:,} hidden by filters"] if others else []
    return " · ".join(["", *parts, *([f"{archived:,} archived hidden"] if archived else [])])


def page_of(shown: list[Run], view: filters.View, rest: str) -> list[Run]:
    """How many there are, and the pagination; the runs of the selected page."""
    pages = max(1, -(-len(shown) // ROWS))
    place = st.container(horizontal=True, vertical_alignment="center", width="content")
    page = pagination.choose_page(pages, repr((view.wanted, view.order)))
    rows = shown[(page - 1) * ROWS : page * ROWS]
    of = f"{(page - 1) * ROWS + 1}–{(page - 1) * ROWS + len(rows)} of " if pages > 1 else ""
    place.caption(f"{of}{len(shown):,} {'run' if len(shown) == 1 else 'runs'}{rest}", width="content")
    place.page_link(GROUP_PAGE, label="Groups", icon=":material/workspaces:", help="Sweeps, seeds and folds")
    place.page_link(ACTIVITY_PAGE, label="Activity", icon=":material/history:", help="Who did what, when and on what")
    return rows


main()
