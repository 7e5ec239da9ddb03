"""The queue: which runs are queued, in which order, those that were interrupted, and a button that stops one."""

import time
from collections.abc import Sequence

import streamlit as st

from core.jobs import recovery
from core.jobs.launchers import LOCAL, launcher_title
from core.jobs.queue import by_queue_position, stuck_runs
from core.runs.records import Run, RunState
from core.team import actions
from core.team.people import Actor
from core.team.rights import Action, may
from dashboard.state.actor import actor
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.format import escape
from dashboard.ui.page import RUN_PAGE
from dashboard.ui.runs import LOOKS

QUEUE_ROWS = 10
MOST_CHARACTERS = 60
"""Of a name in the queue."""
REMOVED = "removed-from-queue"
"""In the session state: when this visitor removed which run."""
UNDO_SECONDS = 60


def queue_table(runs: Sequence[Run]) -> None:
    """Queued runs, the next first, each with buttons that change its place; those that this visitor has just removed
    keep their rows, so that no other run moves under the pointer. Below them are those that an engine has in a queue of
    its own."""
    me = actor()
    waiting = by_queue_position(run for run in runs if run.state is RunState.QUEUED)
    queued = [run for run in waiting if run.status.launcher == LOCAL]
    elsewhere = [run for run in waiting if run.status.launcher != LOCAL]
    removed = just_removed(runs)
    rows = [*by_queue_position([*queued, *removed]), *elsewhere]
    if not rows:
        return
    st.header("Queue", anchor=False)
    with st.container(border=True, gap="xsmall"):
        for run in rows[:QUEUE_ROWS]:
            with st.container(
                horizontal=True,
                vertical_alignment="center",
                horizontal_alignment="distribute",
                key=f"row-{run.id}",
            ):
                if run in removed:
                    removed_row(run, me)
                elif run in elsewhere:
                    engine_row(run, me)
                else:
                    queued_row(run, queued, me)
        if len(rows) > QUEUE_ROWS:
            st.caption(f"and {len(rows) - QUEUE_ROWS} more")


def just_removed(runs: Sequence[Run]) -> list[Run]:
    """Runs that this visitor has removed from the queue within the last minute and that nobody has requeued."""
    now = time.monotonic()
    recent = {run_id for run_id, moment in st.session_state.get(REMOVED, {}).items() if now - moment < UNDO_SECONDS}
    return [run for run in runs if run.id in recent and run.state is RunState.STOPPED]


def queued_row(run: Run, queued: Sequence[Run], me: Actor) -> None:
    """Place, name, author, and the buttons."""
    place = queued.index(run)
    run_link(f"{place + 1}. ", run, f"by {run.meta.author}" if run.meta.author else "")
    if stuck := stuck_runs(run.paths.root).get(run.id):
        st.caption(f":red[{escape(stuck)}]", width="content")
    with st.container(horizontal=True, width="content", gap="small"):
        queue_buttons(run, me, first=place == 0, last=place == len(queued) - 1)


def engine_row(run: Run, me: Actor) -> None:
    """What waits in the queue of an engine, and why; its place there is the engine's to say."""
    run_link("", run, f"by {run.meta.author}" if run.meta.author else "")
    st.caption(escape(run.problem or f"Queued by {launcher_title(run.status.launcher)}."), width="content")
    with st.container(horizontal=True, width="content", gap="small"):
        remove_button(run, me)


def run_link(place: str, run: Run, note: str) -> None:
    """The name of a run as a link; one that is too long ends in an ellipsis, and is shown in full under the mouse."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.page_link(
            RUN_PAGE, label=escape(place + shortened(run.name)), query_params={"run": run.id}, help=escape(run.name)
        )
        st.caption(escape(shortened(note)), width="content")


def shortened(text: str) -> str:
    """Text for one line of a table."""
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def removed_row(run: Run, me: Actor) -> None:
    """Says so, with an undo button; where the remove button was, nothing can be clicked."""
    run_link("", run, "Removed from queue")
    with st.container(horizontal=True, width="content", gap="small"):
        if st.button(
            "Undo",
            help="Return the run to its place in the queue",
            type="tertiary",
            key=f"undo-remove-{run.id}",
        ):
            actions.resume(me, runs_root(), data_root(), run.id, keep_place=True)
            st.rerun(scope="app")
        st.button("Remove", type="tertiary", key=f"remove-{run.id}", disabled=True)


def queue_buttons(run: Run, me: Actor, *, first: bool, last: bool) -> None:
    """Move up, move down, remove; what the visitor may."""
    if may(me, Action.MOVE, run):
        if st.button("Up", type="tertiary", key=f"earlier-{run.id}", disabled=first):
            actions.move_queued(me, run.paths.root, run.id, "earlier")
            st.rerun(scope="app")
        if st.button("Down", type="tertiary", key=f"later-{run.id}", disabled=last):
            actions.move_queued(me, run.paths.root, run.id, "later")
            st.rerun(scope="app")
    remove_button(run, me)


def remove_button(run: Run, me: Actor) -> None:
    """Takes a run out of its queue, where the visitor may."""
    if may(me, Action.STOP, run) and st.button(
        "Remove", help="Remove from queue", type="tertiary", key=f"remove-{run.id}"
    ):
        actions.stop(me, runs_root(), run.id)
        st.session_state.setdefault(REMOVED, {})[run.id] = time.monotonic()
        st.rerun(scope="app")


def stop_button(run: Run) -> None:
    """Ask a run to stop; it ends at its next batch, with a checkpoint. Nothing where the visitor may not."""
    me = actor()
    if not may(me, Action.STOP, run):
        return
    asked = run.paths.stop_request.exists()
    if st.button("Stopping…" if asked else "Stop", icon=":material/stop:", key=f"stop-{run.id}", disabled=asked):
        actions.stop(me, runs_root(), run.id)
        st.rerun(scope="app")


def interrupted(runs: Sequence[Run]) -> None:
    """After a reboot: the runs that were training at the time; and those of other machines that may be."""
    if lost := recovery.lost_runs(runs):
        hosts = ", ".join(sorted({escape(run.status.host or run.status.launcher) for run in lost}))
        which = f"{len(lost)} lost run{'' if len(lost) == 1 else 's'}"
        st.caption(
            f"{LOOKS[RunState.LOST].icon} {which}: no sign of life from {hosts}. "
            "If training no longer goes on there, resume from the page of the run."
        )
    count = len(recovery.interrupted_runs(runs))
    if not count:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f":red[:material/bolt:] {count} interrupted run{'' if count == 1 else 's'}", width="content")
        me, label = actor(), "Requeue" if count == 1 else "Requeue all"
        if may(me, Action.RECOVER) and st.button(
            label, icon=":material/resume:", key="recover", help="Resumes from the last checkpoint"
        ):
            actions.recover(me, runs_root(), data_root())
            st.rerun(scope="app")
