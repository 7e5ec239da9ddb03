"""Compare: overlaid curves, config diff and significance tests."""

from collections.abc import Sequence

import streamlit as st

from core.runs.ensembles import Candidate, Ensemble
from core.runs.records import Run, RunState
from core.splits import COMPARED_SPLITS
from dashboard.state import cache
from dashboard.state.roots import runs_root
from dashboard.ui.format import escape, percent
from dashboard.ui.page import (
    COMPARE_PAGE,
    RUNS_PAGE,
    TRAIN_PAGE,
    draw_live,
    empty_state,
    follow_renamed,
    page_title,
    say_unknown,
)
from dashboard.views.compare import sections

SUGGESTED = 3


def main() -> None:
    follow_renamed(COMPARE_PAGE, {"result": {"accuracy": "Accuracy", "log loss": "Loss", "macro F1": "Macro F1"}})
    with page_title("Compare", "Overlaid curves, config diff and significance tests."):
        st.page_link(RUNS_PAGE, label="All runs", icon=":material/table_rows:")
    wanted = st.query_params.get("runs", "").split(",")
    runs = [run for run in cache.runs(runs_root()) if run.config and (not run.meta.archived or run.id in wanted)]
    if len(runs) < 2:
        empty_state(
            "Nothing to compare yet",
            "Start at least two runs to compare their curves, settings and metrics.",
            TRAIN_PAGE,
            "Start a run",
            ":material/play_arrow:",
        )
        return
    candidates: list[Candidate] = [each for each in cache.ensembles(runs_root()) if say_usable(each, wanted)]
    by_id = {each.id: each for each in [*candidates, *runs]}
    controls = st.container(horizontal=True, vertical_alignment="top", gap="medium")
    with controls:
        chosen = choose_runs(by_id)
    if len(chosen) < 2:
        st.info("Select two or more runs. The first is the baseline; you can change it.", icon=":material/compare:")
        suggestion(runs, chosen)
        return
    say_unknown("compare-split", COMPARED_SPLITS)
    say_unknown("section", sections.TABS)
    with controls:
        baseline = pin(chosen, by_id)
        split = st.segmented_control(
            "Split", COMPARED_SPLITS, default=COMPARED_SPLITS[0], key="compare-split", bind="query-params"
        )
    live = any(run.state.is_live for run in runs if run.id in chosen)
    draw_live(
        sections.comparison,
        seconds=5 if live else None,
        run_ids=chosen,
        baseline_id=baseline,
        split=split or COMPARED_SPLITS[0],
    )


def say_usable(ensemble: Ensemble, wanted: Sequence[str]) -> bool:
    """Whether an ensemble can be compared; where the address has one that cannot, why."""
    if ensemble.problem and ensemble.id in wanted:
        st.warning(escape(ensemble.problem), icon=":material/link_off:")
    return not ensemble.problem


def choose_runs(by_id: dict[str, Candidate]) -> list[str]:
    """The runs of the address, `runs=a,b,c`, and a box that changes it; once there is something to compare, it makes
    room for that."""
    wanted = list(dict.fromkeys(filter(None, st.query_params.get("runs", "").split(","))))
    known = [run_id for run_id in wanted if run_id in by_id]
    if len(known) < len(wanted):
        missing = ", ".join(run_id for run_id in wanted if run_id not in by_id)
        st.warning(f"Not found or unreadable: {escape(missing)}.", icon=":material/link_off:")
    st.session_state["compared"] = known
    labels = sections.labels_of(list(by_id.values()))

    def describe(run_id: str) -> str:
        found = by_id[run_id]
        if isinstance(found, Ensemble):
            return f"{labels[run_id]} · ensemble of {len(found.runs)}"
        return f"{labels[run_id]} · {percent(found.validation_accuracy)}"

    def keep() -> None:
        st.query_params["runs"] = ",".join(st.session_state["compared"])

    enough = len(known) > 1
    place = st.container(gap="xxsmall", width="content" if enough else "stretch")
    if enough:
        place.markdown(":small[Runs]")  # on a line with the labels beside it
        place = place.popover("Select runs", icon=":material/checklist:", key="select-runs")
    with place:
        st.multiselect(
            "Runs", list(by_id), key="compared", format_func=describe, on_change=keep, placeholder="Select runs"
        )
    return known


def suggestion(runs: list[Run], chosen: list[str]) -> None:
    """One click to a first comparison; the oldest run is the baseline."""
    latest = [run.id for run in runs if run.state is RunState.FINISHED][:SUGGESTED]
    if chosen or len(latest) < 2:
        return
    label = f"Compare the {len(latest)} latest finished runs"
    if st.button(label, icon=":material/compare_arrows:", type="primary", key="suggestion"):
        st.query_params["runs"] = ",".join(reversed(latest))
        st.rerun()


def pin(chosen: list[str], by_id: dict[str, Candidate]) -> str:
    """The baseline of the address, else the first run."""
    wanted = st.query_params.get("baseline")
    st.session_state["pinned"] = wanted if wanted in chosen else chosen[0]
    labels = sections.labels_of([by_id[run_id] for run_id in chosen])

    def keep() -> None:
        st.query_params["baseline"] = st.session_state["pinned"]

    st.selectbox("Baseline", chosen, key="pinned", format_func=lambda run_id: labels[run_id], on_change=keep, width=420)
    return str(st.session_state["pinned"])


main()
