"""The result of a reproduction."""

from typing import Final

import pandas as pd
import streamlit as st

from core.comparison.reproduction import Reproduction, ReproductionOutcome, read_reproduction
from core.runs.records import Run
from dashboard.ui.format import Colour, escape
from dashboard.ui.table import show_table

OUTCOME_COLOURS: Final[dict[ReproductionOutcome, Colour]] = {
    ReproductionOutcome.BIT_EQUAL: "green",
    ReproductionOutcome.WITHIN_SEEDS: "green",
    ReproductionOutcome.NO_EVIDENCE: "blue",
    ReproductionOutcome.OUTSIDE_SEEDS: "orange",
    ReproductionOutcome.DIFFERENT: "orange",
    ReproductionOutcome.NOT_COMPARABLE: "gray",
}
CHECK_RESULTS: Final = {True: "Identical", False: "Differs", None: "Not recorded"}


def reproduction_outcome(run: Run) -> None:
    """On the page of a run that reproduces another: how close its result is."""
    if not run.meta.reproduces:
        return
    found = read_reproduction(run)
    if found is None:
        if run.state.is_live:
            st.caption("The comparison with the original run will appear here when training finishes.")
        elif run.state == "finished":
            st.caption("The comparison failed. See the log.")
        return
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**Reproduction**", width="content")
            st.badge(found.outcome.label, icon=":material/repeat:", color=OUTCOME_COLOURS[found.outcome])
        st.markdown(escape(found.words))
        differing(found)
        with st.expander("Details", icon=":material/checklist:"):
            rows = [
                {"check": each.what, "result": CHECK_RESULTS[each.same], "detail": each.words} for each in found.checks
            ]
            config = {
                "check": st.column_config.TextColumn("Check", width="small"),
                "result": st.column_config.TextColumn("Result", width="small"),
                "detail": st.column_config.TextColumn("Original → this run", width="large"),
            }
            show_table(pd.DataFrame(rows), hide_index=True, column_config=config, key="reproduction")


def differing(found: Reproduction) -> None:
    """What differs, one line each."""
    for check in found.differences:
        st.markdown(f":orange[:material/difference:] {escape(check.what)}: {escape(check.words)}")
    unknown = [check.what for check in found.checks if check.same is None]
    if not found.differences:
        rest = "everything else" if unknown else "settings, data, code, packages and machine"
        st.markdown(f":green[:material/check:] Identical: {rest}.")
    if unknown:
        st.caption(f"Missing in one of the runs: {escape(', '.join(unknown))}.")
