"""What can be done with a run: stop, resume, run again, clone, reproduce, archive, delete."""

import time
from collections.abc import Callable
from functools import partial

import streamlit as st

from core.comparison.reproduction import check_reproducible
from core.runs.records import Run, RunState
from core.team import actions as team
from core.team.people import Actor
from core.team.rights import Action, may
from dashboard.state import visitor
from dashboard.state.actor import actor
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.confirm import confirm_delete, confirm_force_stop
from dashboard.ui.format import escape
from dashboard.ui.messages import say
from dashboard.ui.page import ERRORS_PAGE, PREDICT_PAGE, RUNS_PAGE, TRAIN_PAGE, go_button, go_to, guarded, once
from dashboard.ui.runs import open_run

PATIENCE_SECONDS = 30
"""A run that was asked to stop and is still running after this time may be killed."""


def actions(run: Run) -> None:
    """The buttons at the top of a run's page, those that the visitor may press: the likely one first, the others in a
    menu."""
    me = actor()
    if run.state.is_live and may(me, Action.STOP, run):
        stop_buttons(run, me)
    if run.state.is_resumable and run.config:
        resume_buttons(run, me)
    offered = menu(run, me)
    if run.has_weights and run.state.is_resumable:  # beside the buttons of these, there is no room for more
        offered = {
            ":material/grid_view: Error analysis": partial(go_to, ERRORS_PAGE, run=run.id),
            ":material/add_reaction: Predict": partial(go_to, PREDICT_PAGE, run=run.id),
        } | offered
    elif run.has_weights:
        go_button("Error analysis", ERRORS_PAGE, ":material/grid_view:", run=run.id)
        go_button("Predict", PREDICT_PAGE, ":material/add_reaction:", run=run.id)
    if not offered:
        return
    chosen = st.menu_button("More", list(offered), icon=":material/more_horiz:", key="more")
    if chosen:
        offered[chosen]()


def stop_buttons(run: Run, me: Actor) -> None:
    """Stop it, or take it out of the queue; by force where it does not stop."""
    asked = stop_asked_seconds(run)
    label = "Stopping…" if asked is not None else "Remove from queue" if run.state is RunState.QUEUED else "Stop"
    if st.button(label, icon=":material/stop:", disabled=asked is not None, key="stop"):
        team.stop(me, runs_root(), run.id)
        st.rerun(scope="app")
    if (
        asked is not None
        and asked > PATIENCE_SECONDS
        and may(me, Action.FORCE_STOP, run)
        and st.button("Force stop…", icon=":material/dangerous:", key="kill")
    ):
        confirm_force_stop(partial(force_stop, run.id))


def force_stop(run_id: str) -> None:
    """Kill the process of a run; asked for in a dialog, which outlives the drawing of the page."""
    team.stop_now(actor(), runs_root(), run_id)


def stop_asked_seconds(run: Run) -> float | None:
    """How long ago somebody asked the run to stop; None if nobody did."""
    try:
        return max(0.0, time.time() - run.paths.stop_request.stat().st_mtime)
    except OSError:
        return None


def resume_buttons(run: Run, me: Actor) -> None:
    """Go on from the last checkpoint. What failed by itself would fail again: it is rather started with changes."""
    failed = run.state is RunState.FAILED and may(me, Action.CLONE)
    if failed and st.button("Clone with changes", icon=":material/content_copy:", type="primary", key="clone-failed"):
        go_to(TRAIN_PAGE, clone=run.id)
    if may(me, Action.RESUME, run) and st.button(
        "Resume",
        icon=":material/resume:",
        type="secondary" if failed else "primary",
        key="resume",
        help="Resume from the last checkpoint",
    ):
        team.resume(me, runs_root(), data_root(), run.id)
        st.rerun(scope="app")


def menu(run: Run, me: Actor) -> dict[str, Callable[[], object]]:
    """What else the visitor may do with the run: label, as Markdown, and what it does."""
    offered: dict[str, Callable[[], object]] = {}

    def offer(action: Action, label: str, act: Callable[[], object]) -> None:
        if may(me, action, run):
            offered[label] = act

    if run.config:
        offer(Action.CLONE, ":material/content_copy: Clone", partial(go_to, TRAIN_PAGE, clone=run.id))
        if not run.state.is_live:
            offer(Action.RETRY, ":material/replay: Run again", partial(run_again, run))
        if run.state is RunState.FINISHED:
            offer(Action.REPRODUCE, ":material/repeat: Reproduce…", partial(reproduce_dialog, run))
    if run.meta.archived:
        offer(Action.UNARCHIVE, ":material/unarchive: Unarchive", partial(archive, run))
    else:
        offer(Action.ARCHIVE, ":material/archive: Archive", partial(archive, run))
    if not run.state.is_live:
        offer(Action.DELETE, ":material/delete: Delete…", partial(confirm_delete, [run], partial(go_to, RUNS_PAGE)))
    return offered


def run_again(run: Run) -> None:
    """Start a new run with the same settings."""
    again = partial(team.retry, actor(), runs_root(), data_root(), run.id)
    open_run(once(("retry", run.id), again))


@st.dialog("Reproduce this run", icon=":material/repeat:")
def reproduce_dialog(run: Run) -> None:
    """Explains the reproduction, warns if the dataset differs, and starts it."""
    with guarded():
        warning = check_reproducible(run, data_root())
        st.write(
            "Retrains with the recorded settings as a new run, then reports whether settings, data, code, packages and "
            "machine match, and whether the result is bit-identical, within seed variance, or outside it."
        )
        if warning:
            st.warning(escape(warning), icon=":material/database:")
        label = "Start anyway" if warning else "Start reproduction"
        if st.button(label, type="primary", icon=":material/repeat:", key="reproduce-start"):
            start = partial(team.reproduce, actor(), runs_root(), data_root(), run.id)
            open_run(once(("reproduce", run.id), start))


def archive(run: Run) -> None:
    """Hide the run from lists, or show it there again; nothing is deleted. Every change is recorded with a name."""
    me = actor()
    if not me.name:
        st.toast(f"{visitor.ENTER_NAME} to archive this run.", icon=":material/person:")
        return
    team.annotate(me, run.paths.root, run.id, {"archived": not run.meta.archived})
    done = "is in the lists again" if run.meta.archived else "is archived: hidden from lists, nothing deleted"
    say(f"{run.name} {done}.", ":material/archive:")
    st.rerun(scope="app")
