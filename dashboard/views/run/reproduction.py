"""What came of training a run again."""

from typing import Final

import pandas as pd
import streamlit as st

from core.comparison.reproduction import Reproduction, ReproductionOutcome, read_reproduction
from core.runs.records import Run
from dashboard.ui.format import Colour, escape

OUTCOME_COLOURS: Final[dict[ReproductionOutcome, Colour]] = {
    ReproductionOutcome.BIT_IDENTICAL: "green",
    ReproductionOutcome.WITHIN_SEEDS: "green",
    ReproductionOutcome.NOT_SIGNIFICANT: "blue",
    ReproductionOutcome.OUTSIDE_SEEDS: "orange",
    ReproductionOutcome.DIFFERENT: "orange",
    ReproductionOutcome.NOT_COMPARABLE: "gray",
}
SAID: Final = {True: "same", False: "differs", None: "not recorded"}


def reproduction_outcome(run: Run) -> None:
    """On the page of a run that reproduces another: how near it came."""
    if not run.meta.reproduces:
        return
    found = read_reproduction(run)
    if found is None:
        if run.state.is_live:
            st.caption("Trains another run again; at its end it says here whether the same came out.")
        elif run.state == "finished":
            st.caption("There is no verdict on this reproduction: its log says why.")
        return
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**Reproduction**", width="content")
            st.badge(found.outcome.value, icon=":material/repeat:", color=OUTCOME_COLOURS[found.outcome])
        st.markdown(escape(found.words))
        differing(found)
        with st.expander("What was compared", icon=":material/checklist:"):
            rows = [{"what": each.what, "is": SAID[each.same], "detail": each.words} for each in found.checks]
            config = {
                "what": st.column_config.TextColumn("What", width="small"),
                "is": st.column_config.TextColumn("Is", width="small"),
                "detail": st.column_config.TextColumn("Original → this run", width="large"),
            }
            st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=config, key="reproduction")


def differing(found: Reproduction) -> None:
    """What was not the same, in a line each."""
    for check in found.differences:
        st.markdown(f":orange[:material/difference:] {check.what}: {escape(check.words)}")
    unknown = [check.what for check in found.checks if check.same is None]
    if not found.differences:
        rest = "everything else" if unknown else "settings, data, code, packages and machine"
        st.markdown(f":green[:material/check:] The same: {rest}.")
    if unknown:
        st.caption(f"Not recorded for one of the two: {', '.join(unknown)}.")
