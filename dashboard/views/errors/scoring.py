"""Predictions that a run does not have yet, computed in a process of its own when somebody asks for them."""

import streamlit as st

from core.runs.records import Run
from dashboard.state import cache
from dashboard.state.roots import data_root
from dashboard.ui.format import escape
from dashboard.ui.page import draw_live

SCORING_POLL_SECONDS = 2


def offer(run: Run, split: str) -> None:
    """One sentence, and the button; while it computes, that."""
    scoring = cache.scorings().look(run.paths, split)
    with st.container(border=True):
        if scoring.is_live:
            title = "Computing the predictions …" if scoring.running else f"Queued: {scoring.ahead} to be scored first"
            st.subheader(title, anchor=False)
            st.write("This takes about a minute per 10,000 images on a CPU. It goes on if you leave the page.")
            draw_live(wait, seconds=SCORING_POLL_SECONDS, run=run, split=split)
            return
        st.subheader(f"Not scored on {split} yet", anchor=False)
        st.write(
            "Runs score validation and test by themselves. The training images are predicted when somebody wants to "
            "see them, to look for wrong labels for instance."
        )
        if scoring.error:
            st.error(escape(scoring.error), icon=":material/error:")
        if st.button(
            f"Predict the images of {split}",
            type="primary",
            icon=":material/calculate:",
            disabled=not run.has_weights,
            key="score",
        ):
            cache.scorings().start(run.paths, split, data_root())
            st.rerun()
        st.caption("The same from a terminal")
        st.code(f"python -m core evaluate {run.id} --split {split}", language="bash")


def wait(run: Run, split: str) -> None:
    """Draw the page anew as soon as they are there."""
    if not cache.scorings().look(run.paths, split).is_live:
        st.rerun(scope="app")
