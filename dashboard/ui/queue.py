"""The queue: which runs wait, in which order, and the runs that were interrupted."""

import time
from collections.abc import Sequence

import streamlit as st

from core.jobs import control
from core.jobs.queue import in_line, move_queued
from core.runs.records import Run, RunState
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.format import escape

QUEUE_ROWS = 10
REMOVED = "removed-from-queue"
"""In the session state: when this visitor removed which run."""
UNDO_SECONDS = 60


def queue_table(runs: Sequence[Run]) -> None:
    """Runs that wait, the next first, each with what changes its place; those that this visitor has just removed keep
    their rows, so that no other run comes to lie under the pointer."""
    waiting = in_line(run for run in runs if run.state is RunState.QUEUED)
    removed = just_removed(runs)
    rows = in_line([*waiting, *removed])
    if not rows:
        return
    st.subheader("Waiting", anchor=False)
    with st.container(border=True, gap="xsmall"):
        for run in rows[:QUEUE_ROWS]:
            with st.container(
                horizontal=True,
                vertical_alignment="center",
                horizontal_alignment="distribute",
                key=f"row-{run.id}",
            ):
                if run in removed:
                    removed_row(run)
                else:
                    waiting_row(run, waiting)
        if len(rows) > QUEUE_ROWS:
            st.caption(f"and {len(rows) - QUEUE_ROWS} more")


def just_removed(runs: Sequence[Run]) -> list[Run]:
    """Runs that this visitor has removed from the queue within the last minute and that nobody has put back."""
    now = time.monotonic()
    recent = {run_id for run_id, moment in st.session_state.get(REMOVED, {}).items() if now - moment < UNDO_SECONDS}
    return [run for run in runs if run.id in recent and run.state is RunState.STOPPED]


def waiting_row(run: Run, waiting: Sequence[Run]) -> None:
    """Place, name, author, and the buttons."""
    place = waiting.index(run)
    author = f" by {escape(run.meta.author)}" if run.meta.author else ""
    st.markdown(f"{place + 1}\\. **{escape(run.name)}** :gray[{author}]", width="stretch")
    with st.container(horizontal=True, width="content", gap="xsmall"):
        queue_buttons(run, first=place == 0, last=place == len(waiting) - 1)


def removed_row(run: Run) -> None:
    """Says so, and takes it back; nothing that acts lies where the other button was."""
    st.markdown(f"**{escape(run.name)}** :gray[removed from the queue]", width="stretch")
    with st.container(horizontal=True, width="content", gap="xsmall"):
        if st.button("Undo", icon=":material/undo:", help="Put it back in its place", key=f"undo-remove-{run.id}"):
            control.resume(runs_root(), data_root(), run.id, keep_place=True)
            st.rerun(scope="app")
        st.button("", icon=":material/close:", key=f"remove-{run.id}", disabled=True)


def queue_buttons(run: Run, *, first: bool, last: bool) -> None:
    """Earlier, later, out of the line."""
    if st.button("", icon=":material/arrow_upward:", help="Earlier", key=f"earlier-{run.id}", disabled=first):
        move_queued(run.paths, "earlier")
        st.rerun(scope="app")
    if st.button("", icon=":material/arrow_downward:", help="Later", key=f"later-{run.id}", disabled=last):
        move_queued(run.paths, "later")
        st.rerun(scope="app")
    if st.button("", icon=":material/close:", help="Remove it from the queue", key=f"remove-{run.id}"):
        control.stop(runs_root(), run.id)
        st.session_state.setdefault(REMOVED, {})[run.id] = time.monotonic()
        st.rerun(scope="app")


def interrupted(runs: Sequence[Run]) -> None:
    """After a restart of the machine: runs that were training then."""
    count = len(control.interrupted_runs(runs))
    if not count:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        said = "1 run was" if count == 1 else f"{count} runs were"
        st.markdown(f":red[:material/bolt:] {said} interrupted.", width="content")
        label = "Put it back in line" if count == 1 else "Put them back in line"
        if st.button(label, icon=":material/resume:", key="recover", help="Each goes on from its last checkpoint"):
            control.recover(runs_root(), data_root())
            st.rerun(scope="app")
