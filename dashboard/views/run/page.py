"""Run: one run, live while it trains."""

import streamlit as st

from core.errors import RunError
from core.runs.groups import KIND_LABELS, group_of
from core.runs.records import Run, RunState
from core.runs.selection import best_run
from dashboard.state import cache
from dashboard.state.roots import runs_root
from dashboard.ui.curves import curve_controls
from dashboard.ui.format import ago, escape, exact
from dashboard.ui.page import GROUP_PAGE, RUN_PAGE, RUNS_PAGE, TRAIN_PAGE, draw_live, empty_state, guarded, page_title
from dashboard.ui.run_table import run_table
from dashboard.ui.runs import problem, state_chip, why_default
from dashboard.ui.tab import show_in_tab
from dashboard.views.run import actions, reproduction
from dashboard.views.run.curves import SMOOTHING, has_exploded
from dashboard.views.run.metrics import metrics, run_progress
from dashboard.views.run.tabs import RUN_TABS

RUN_POLL_SECONDS = 1.5  # of the 2.5 s in which a new point should be on the screen, one is left for drawing it
OFFERED_RUNS = 15


def main() -> None:
    wanted = st.query_params.get("run")
    try:
        run = cache.run(runs_root(), wanted) if wanted else None
    except RunError as error:
        st.error(escape(str(error)), icon=":material/error:")
        st.page_link(RUNS_PAGE, label="All runs", icon=":material/table_rows:")
        run = None
    if run is None:
        offer_runs()
        return
    st.query_params["run"] = run.id  # a link from one run to another is followed without a change of the address
    live = run.state.is_live
    chosen = best_run(cache.runs(runs_root()))
    default = chosen is not None and chosen.id == run.id
    draw_live(run_body, seconds=RUN_POLL_SECONDS if live else None, run_id=run.id, watched=live, default=default)


def offer_runs() -> None:
    """No run in the address: the latest to select from; the Runs page has the others."""
    runs = [run for run in cache.runs(runs_root()) if not run.meta.archived]
    with page_title("Run details", "Select a run." if runs else ""):
        if runs:
            st.page_link(RUNS_PAGE, label="All runs", icon=":material/table_rows:")
    if runs:
        run_table(runs[:OFFERED_RUNS], "choose", ["state", "name", "validation", "epochs", "author", "created"])
        if len(runs) > OFFERED_RUNS:
            st.caption(f"The latest {OFFERED_RUNS} of {len(runs):,} runs.")
    else:
        empty_state(
            "No runs yet",
            "Training curves, sample predictions, logs and files will appear here, live.",
            TRAIN_PAGE,
            "Start your first run",
            ":material/play_arrow:",
        )


def run_body(run_id: str, watched: bool, default: bool) -> None:
    """The page of one run; redrawn by itself every few seconds for as long as it is `watched`.

    Args:
        run_id: which one.
        watched: whether it was live when the page was drawn.
        default: whether predictions use it by default.
    """
    run = cache.run(runs_root(), run_id)
    show_in_tab(run)
    if watched != run.state.is_live:
        st.rerun()  # it has ended, or was resumed: redrawing the page ends or begins the polling
    header(run, default)
    problem(run)
    with guarded():  # odd records cost their own part of the page
        reproduction.reproduction_outcome(run)
    if run.state is not RunState.DAMAGED:
        with guarded():
            if run.state is not RunState.QUEUED or run.best:
                metrics(run)
            run_progress(run)
    tabs = st.tabs(list(RUN_TABS), key="tab", bind="query-params")
    with tabs[0]:
        curve_controls(SMOOTHING, log=has_exploded(run))
    for tab, draw in zip(tabs, RUN_TABS.values(), strict=True):
        if tab.open:
            with tab, guarded():
                draw(run)


def header(run: Run, default: bool) -> None:
    """Name, state and actions."""
    with page_title(escape(run.name)):
        actions.actions(run)
    with st.container(horizontal=True, vertical_alignment="center"):
        state_chip(run.state)
        status = run.status
        by = f" by {escape(run.meta.author)}" if run.meta.author else ""
        device = f" · {escape(status.device)}" if status.device else ""
        st.caption(
            f"{escape(run.id)} · Created {ago(status.created_at)}{by}{device}",
            help=f"Created {exact(status.created_at)}",
        )
        if run.meta.archived:
            st.badge("Archived", icon=":material/archive:", color="gray")
    if default:
        st.caption(f":material/add_reaction: {why_default(run)}")
    origin(run)
    if group := group_of(run):
        label = f"{KIND_LABELS[group.kind]}: {escape(group.title)}"
        st.page_link(GROUP_PAGE, label=label, icon=":material/workspaces:", query_params={"name": group.name})


def origin(run: Run) -> None:
    """The run its settings are from, if it was cloned or reproduces another."""
    if not run.meta.parent:
        return
    said = "Reproduction of" if run.meta.reproduces == run.meta.parent else "Cloned from"
    try:
        parent = cache.run(runs_root(), run.meta.parent)
    except RunError:
        st.caption(f"{said} {escape(run.meta.parent)} (deleted).")
        return
    icon = ":material/repeat:" if run.meta.reproduces else ":material/content_copy:"
    address = {**st.query_params.to_dict(), "run": parent.id}  # the same tab of the other run
    st.page_link(RUN_PAGE, label=f"{said} {escape(parent.name)}", icon=icon, query_params=address)


main()
