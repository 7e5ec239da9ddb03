"""Runs: all of them in one table."""

import csv
import io

import streamlit as st

from core.runs.removal import delete_run, what_is_lost
from core.runs.review import annotate
from core.runs.store import Run, RunState, list_runs
from core.runs.table import as_rows
from dashboard import review_view, widgets

COLUMNS = [
    "state",
    "name",
    "validation",
    "test",
    "review",
    "tags",
    "epochs",
    "duration",
    "created",
    "author",
    "error",
    "device",
]


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
        bar = st.container(horizontal=True, vertical_alignment="bottom")
        selected = widgets.run_table(shown, "runs", COLUMNS, select=True)
        with bar:
            actions(selected, shown)
    else:
        st.info("No run matches: change the search or the states.", icon=":material/filter_alt_off:")


def actions(selected: list[Run], shown: list[Run]) -> None:
    """What can be done with the selected runs."""
    ids = [run.id for run in selected]
    if st.button(f"Compare {len(ids)}" if ids else "Compare", icon=":material/compare_arrows:", disabled=len(ids) < 2):
        st.switch_page(widgets.COMPARE, query_params={"runs": ",".join(ids)})
    st.download_button(
        "CSV", lambda: as_csv(selected or shown), "runs.csv", "text/csv", icon=":material/download:", on_click="ignore"
    )
    if not selected:
        return
    name = review_view.who()
    if st.button("Archive", icon=":material/archive:", disabled=not name):
        for run in selected:
            annotate(run.paths, name, {"archived": True})
        st.rerun(scope="app")
    with st.popover("Delete", icon=":material/delete:", disabled=any(run.state.is_live for run in selected)):
        st.write("Gone for good:")
        for run in selected:
            st.text(f"{run.name}: {what_is_lost(run)}")
        if st.button(f"Delete {len(ids)} for good", type="primary", key="delete"):
            for run in selected:
                delete_run(run.paths.root, run.id)
            st.rerun(scope="app")


def as_csv(runs: list[Run]) -> str:
    """All figures and settings of these runs."""
    rows, text = as_rows(runs), io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


main()
