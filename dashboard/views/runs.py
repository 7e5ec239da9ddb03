"""Runs: all of them in one table."""

import streamlit as st

from core.runs.store import RunState, list_runs
from dashboard import widgets

COLUMNS = ["state", "name", "validation", "test", "epochs", "duration", "created", "author", "error", "device"]


def main() -> None:
    with widgets.page_title("Runs"):
        if st.button("Start training", icon=":material/play_arrow:", type="primary"):
            st.switch_page(widgets.TRAIN)
    runs = [run for run in list_runs(widgets.runs_root()) if not run.meta.archived]
    if not runs:
        widgets.empty_state(
            "No runs yet",
            "Every training run will be a row here: its state, its scores, how long it took.",
            widgets.TRAIN,
            "Start your first run",
            ":material/play_arrow:",
        )
        return
    search, states = st.columns([2, 5], vertical_alignment="bottom", gap="medium")
    text = search.text_input(
        "Search", placeholder="name, author, id or error", icon=":material/search:", key="q", bind="query-params"
    )
    present = [state.value for state in RunState if any(run.state is state for run in runs)]
    wanted = states.pills("State", present, selection_mode="multi", key="state", bind="query-params", wrap=True)
    active = any(run.state.is_live for run in runs)
    widgets.live(table, seconds=5 if active else None, text=(text or "").strip().lower(), wanted=wanted)


def table(text: str, wanted: list[str]) -> None:
    """The runs that the filters leave; drawn again by itself while one is live."""
    runs = [run for run in list_runs(widgets.runs_root()) if not run.meta.archived]
    shown = [
        run
        for run in runs
        if (not wanted or run.state.value in wanted)
        and text in " ".join((run.name, run.id, run.meta.author, run.problem or "")).lower()
    ]
    st.caption(f"{len(shown)} of {len(runs)} runs, newest first")
    if shown:
        widgets.run_table(shown, "runs", COLUMNS)
    else:
        st.info("No run matches: change the search or the states.", icon=":material/filter_alt_off:")


main()
