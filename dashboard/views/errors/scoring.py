"""Predictions that a run does not have yet, computed on demand in a process of their own."""

from functools import partial

import streamlit as st

from core.runs.records import Run
from core.team import actions
from core.team.rights import Action, may
from dashboard.state import cache
from dashboard.state.actor import actor
from dashboard.state.roots import data_root
from dashboard.ui.format import escape
from dashboard.ui.page import draw_live

SCORING_POLL_SECONDS = 2


def offer(run: Run, split: str) -> None:
    """A sentence and the button; while it computes, its state."""
    scoring = cache.scorings().look(run.paths, split)
    with st.container(border=True):
        if scoring.is_live:
            title = "Computing predictions…" if scoring.running else f"Queued ({scoring.ahead} ahead)"
            st.header(title, anchor=False)
            st.write("About 1 minute per 10,000 images on CPU. Continues in the background.")
            draw_live(wait, seconds=SCORING_POLL_SECONDS, run=run, split=split)
            return
        st.header(f"No predictions on {split} yet", anchor=False)
        st.write(
            "Validation and test are scored automatically. Score the training set on demand, e.g. to find label errors."
        )
        if scoring.error:
            st.error(escape(scoring.error), icon=":material/error:")
        me = actor()
        if may(me, Action.SCORE) and st.button(
            "Score training set" if split == "train" else f"Score {split}",
            type="primary",
            icon=":material/calculate:",
            disabled=not run.has_weights,
            key="score",
        ):
            begin = partial(cache.scorings().start, run.paths, split, data_root())
            actions.score(me, run.paths.root, run.id, split, begin)
            st.rerun()
        st.caption("Command line")
        st.code(f"python -m core evaluate {run.id} --split {split}", language="bash")


def wait(run: Run, split: str) -> None:
    """Redraw the page as soon as they are there."""
    if not cache.scorings().look(run.paths, split).is_live:
        st.rerun(scope="app")
