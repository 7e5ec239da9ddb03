"""Run: one run, live while it trains."""

import streamlit as st

from core.errors import RunError
from core.runs.store import Run, RunState
from dashboard import cache, run_actions, run_view, widgets
from dashboard.widgets import escape

POLL_SECONDS = 2


def main() -> None:
    wanted = st.query_params.get("run")
    try:
        run = cache.run(widgets.runs_root(), wanted) if wanted else None
    except RunError as error:
        st.error(escape(str(error)), icon=":material/error:")
        run = None
    if run is None:
        choose()
        return
    live = run.state.is_live
    widgets.live(body, seconds=POLL_SECONDS if live else None, run_id=run.id, watched=live)


def choose() -> None:
    """No run in the address: all runs, newest first."""
    widgets.page_title("Run", "Choose a run to see its curves, samples, log and files.")
    runs = cache.runs(widgets.runs_root())
    if runs:
        widgets.run_table(runs, "choose", ["state", "name", "validation", "epochs", "author", "created"])
    else:
        widgets.empty_state(
            "No runs yet",
            "A run's curves, samples, log and files will be here, live while it trains.",
            widgets.TRAIN,
            "Start your first run",
            ":material/play_arrow:",
        )


def body(run_id: str, watched: bool) -> None:
    """The page of one run; drawn again by itself every few seconds for as long as it is `watched`."""
    run = cache.run(widgets.runs_root(), run_id)
    if watched != run.state.is_live:
        st.rerun()  # it has ended, or goes on again: one more drawing of the page ends or begins the polling
    header(run)
    widgets.problem(run)
    if run.state is not RunState.DAMAGED:
        run_view.metrics(run)
        run_view.progress(run)
    tabs = st.tabs(list(run_view.TABS), key="tab", bind="query-params")
    with tabs[0]:
        run_view.curve_controls()
    for tab, draw in zip(tabs, run_view.TABS.values(), strict=True):
        if tab.open:
            with tab, widgets.guarded():
                draw(run)


def header(run: Run) -> None:
    """Name, state, and what can be done about it."""
    with widgets.page_title(escape(run.name)):
        run_actions.actions(run)
    with st.container(horizontal=True, vertical_alignment="center"):
        widgets.state_chip(run.state)
        status = run.status
        by = f" by {escape(run.meta.author)}" if run.meta.author else ""
        device = f" · {escape(status.device)}" if status.device else ""
        st.caption(
            f"{escape(run.id)} · created {widgets.ago(status.created_at)}{by}{device}",
            help=f"Created {widgets.exact(status.created_at)}",
        )
    origin(run)


def origin(run: Run) -> None:
    """Where its settings are from, if it was cloned or started again."""
    if not run.meta.parent:
        return
    try:
        parent = cache.run(widgets.runs_root(), run.meta.parent)
    except RunError:
        st.caption(f"Cloned from {escape(run.meta.parent)}, which is gone.")
        return
    label = f"Cloned from {escape(parent.name)}"
    st.page_link(widgets.RUN, label=label, icon=":material/content_copy:", query_params={"run": parent.id})


main()
