"""What can be done about a run: stop, resume, start again, clone, reproduce, put away; the order of those that wait."""

import time
from collections.abc import Callable, Hashable, Sequence
from functools import partial

import streamlit as st

from core.comparison.reproduction import check_reproducible
from core.jobs import control
from core.jobs.queue import in_line, move_queued
from core.review.runs import annotate
from core.runs.delete import delete_run, what_is_lost
from core.runs.records import Run, RunState
from dashboard.state import visitor
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.format import escape
from dashboard.ui.page import ERRORS_PAGE, PREDICT_PAGE, RUNS_PAGE, TRAIN_PAGE, go_to, guarded
from dashboard.ui.runs import may_delete, open_run

RESUMABLE = (RunState.STOPPED, RunState.FAILED, RunState.CRASHED)
DOUBLE_CLICK_SECONDS = 3
PATIENCE_SECONDS = 30
"""A run that was asked to stop and goes on for longer than this may be killed."""
LINE_LENGTH = 10
REMOVED = "removed-from-queue"
"""In the session state: when this visitor removed which run."""
UNDO_SECONDS = 60


def once(wish: Hashable, start: Callable[[], str]) -> str:
    """Start a run; a second click while the first one is still being answered gives the same run."""
    last = st.session_state.get("last-start")
    if last and last[0] == wish and time.monotonic() - last[2] < DOUBLE_CLICK_SECONDS:
        return str(last[1])
    run_id = start()
    st.session_state["last-start"] = (wish, run_id, time.monotonic())
    return run_id


def actions(run: Run) -> None:
    """The buttons at the top of a run's page: the likely one first, the others in a menu."""
    if run.state.is_live:
        asked = stop_asked_seconds(run)
        label = "Stop" if asked is None else "Stopping …"
        if st.button(label, icon=":material/stop:", disabled=asked is not None, key="stop"):
            control.stop(runs_root(), run.id)
            st.rerun(scope="app")
        if asked is not None and asked > PATIENCE_SECONDS:
            kill(run)
    elif (
        run.state in RESUMABLE
        and run.config
        and st.button(
            "Resume", icon=":material/resume:", type="primary", key="resume", help="Go on from its last checkpoint"
        )
    ):
        control.resume(runs_root(), data_root(), run.id)
        st.rerun(scope="app")
    if run.has_weights:
        st.page_link(ERRORS_PAGE, label="Errors", icon=":material/grid_view:", query_params={"run": run.id})
        st.page_link(PREDICT_PAGE, label="Predict", icon=":material/add_reaction:", query_params={"run": run.id})
    with st.popover("More", icon=":material/more_horiz:"):
        if run.config:
            more(run)
        put_away(run)


def stop_asked_seconds(run: Run) -> float | None:
    """How long ago somebody asked the run to stop; None if nobody did."""
    try:
        return max(0.0, time.time() - run.paths.stop_request.stat().st_mtime)
    except OSError:
        return None


def kill(run: Run) -> None:
    """For a run that was asked to stop and does not."""
    with st.popover("Kill now", icon=":material/dangerous:"):
        st.write("Work since its last checkpoint is lost. Resume goes on from there.")
        if st.button("Kill it", type="primary", key="kill"):
            control.stop_now(runs_root(), run.id)
            st.rerun(scope="app")


def more(run: Run) -> None:
    """Start again, or something like it."""
    if st.button("Clone", icon=":material/content_copy:", key="clone", help="A new run with settings changed"):
        go_to(TRAIN_PAGE, clone=run.id)
    if run.state.is_live:
        return
    if st.button("Retry", icon=":material/replay:", key="retry", help="A new run with the same settings"):
        roots = runs_root(), data_root()
        open_run(once(("retry", run.id), lambda: control.retry(*roots, run.id)))
    if run.state is RunState.FINISHED and st.button(
        "Reproduce", icon=":material/repeat:", key="reproduce", help="Train it again and see whether the same comes out"
    ):
        reproduce(run)


@st.dialog("Reproduce this run", icon=":material/repeat:")
def reproduce(run: Run) -> None:
    """Says what will happen, warns if the data are not the same, and starts."""
    with guarded():
        warning = check_reproducible(run, data_root())
        st.write(
            "Trains again with the settings that were recorded, as a new run. At its end it says whether settings, "
            "data, code, packages and machine were the same, and how near the result is: equal to the last bit, as "
            "near as another seed would be, or further away."
        )
        if warning:
            st.warning(escape(warning), icon=":material/database:")
        label = "Start anyway" if warning else "Start"
        if st.button(label, type="primary", icon=":material/repeat:", key="reproduce-start"):
            roots, author = (runs_root(), data_root()), visitor.who(ask=False)
            start = partial(control.reproduce, *roots, run.id, author=author)
            open_run(once(("reproduce", run.id), start))


def put_away(run: Run) -> None:
    """Out of the lists, or gone for good."""
    shown_again = run.meta.archived
    label, icon = ("Show in lists", ":material/unarchive:") if shown_again else ("Archive", ":material/archive:")
    if st.button(label, icon=icon, key="archive", help="Nothing is deleted; only lists leave an archived run out"):
        if visitor.who(ask=False):
            archive(run)
        else:
            ask_who(run)
    if not run.state.is_live and st.button("Delete …", icon=":material/delete:", key="delete"):
        confirm_delete(run)


def archive(run: Run) -> None:
    """Take it out of the lists, or show it there again."""
    annotate(run.paths, visitor.who(ask=False), {"archived": not run.meta.archived})
    st.rerun(scope="app")


@st.dialog("Who are you?", icon=":material/person:")
def ask_who(run: Run) -> None:
    """Every change is kept with a name."""
    name = visitor.who(key="who-archive")
    with guarded():
        if st.button("Go on", type="primary", disabled=not name, key="archive-as"):
            archive(run)


@st.dialog("Delete this run?", icon=":material/delete:")
def confirm_delete(run: Run) -> None:
    """Names what is lost."""
    st.text(run.name)
    st.write(f"Gone for good: {escape(what_is_lost(run))}.")
    st.caption("Archive it instead to keep everything and only hide it from lists.")
    with guarded():
        off = not may_delete([run])
        icon = ":material/delete_forever:"
        if st.button("Delete for good", type="primary", icon=icon, key="delete-really", disabled=off):
            delete_run(run.paths.root, run.id, shipped=True)
            go_to(RUNS_PAGE)


def waiting_line(runs: Sequence[Run]) -> None:
    """Runs that wait, the next first, each with what changes its place; those that this visitor has just removed keep
    their rows, so that no other run comes to lie under the pointer."""
    waiting = in_line(run for run in runs if run.state is RunState.QUEUED)
    removed = just_removed(runs)
    rows = in_line([*waiting, *removed])
    if not rows:
        return
    st.subheader("Waiting", anchor=False)
    with st.container(border=True, gap="xsmall"):
        for run in rows[:LINE_LENGTH]:
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
        if len(rows) > LINE_LENGTH:
            st.caption(f"and {len(rows) - LINE_LENGTH} more")


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
        place_buttons(run, first=place == 0, last=place == len(waiting) - 1)


def removed_row(run: Run) -> None:
    """Says so, and takes it back; nothing that acts lies where the other button was."""
    st.markdown(f"**{escape(run.name)}** :gray[removed from the queue]", width="stretch")
    with st.container(horizontal=True, width="content", gap="xsmall"):
        if st.button("Undo", icon=":material/undo:", help="Put it back in its place", key=f"undo-remove-{run.id}"):
            control.resume(runs_root(), data_root(), run.id, keep_place=True)
            st.rerun(scope="app")
        st.button("", icon=":material/close:", key=f"remove-{run.id}", disabled=True)


def place_buttons(run: Run, *, first: bool, last: bool) -> None:
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
