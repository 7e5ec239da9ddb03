"""What can be done with a run: stop, resume, run again, clone, reproduce, archive, delete."""

import time
from functools import partial

import streamlit as st

from core.comparison.reproduction import check_reproducible
from core.jobs import control
from core.review.runs import annotate
from core.runs.delete import delete_run, what_is_lost
from core.runs.records import Run, RunState
from dashboard.state import visitor
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.format import escape
from dashboard.ui.page import ERRORS_PAGE, PREDICT_PAGE, RUNS_PAGE, TRAIN_PAGE, go_to, guarded, once
from dashboard.ui.runs import may_delete, open_run

RESUMABLE = (RunState.STOPPED, RunState.FAILED, RunState.CRASHED)
PATIENCE_SECONDS = 30
"""A run that was asked to stop and is still running after this time may be killed."""


def actions(run: Run) -> None:
    """The buttons at the top of a run's page: the likely one first, the others in a menu."""
    if run.state.is_live:
        asked = stop_asked_seconds(run)
        label = "Stop" if asked is None else "Stopping…"
        if st.button(label, icon=":material/stop:", disabled=asked is not None, key="stop"):
            control.stop(runs_root(), run.id)
            st.rerun(scope="app")
        if asked is not None and asked > PATIENCE_SECONDS:
            kill(run)
    elif (
        run.state in RESUMABLE
        and run.config
        and st.button(
            "Resume", icon=":material/resume:", type="primary", key="resume", help="Resume from the last checkpoint"
        )
    ):
        control.resume(runs_root(), data_root(), run.id)
        st.rerun(scope="app")
    if run.has_weights:
        st.page_link(ERRORS_PAGE, label="Error analysis", icon=":material/grid_view:", query_params={"run": run.id})
        st.page_link(PREDICT_PAGE, label="Predict", icon=":material/add_reaction:", query_params={"run": run.id})
    with st.popover("More", icon=":material/more_horiz:"):
        if run.config:
            more(run)
        archive_or_delete(run)


def stop_asked_seconds(run: Run) -> float | None:
    """How long ago somebody asked the run to stop; None if nobody did."""
    try:
        return max(0.0, time.time() - run.paths.stop_request.stat().st_mtime)
    except OSError:
        return None


def kill(run: Run) -> None:
    """For a run that was asked to stop and has not."""
    with st.popover("Force stop", icon=":material/dangerous:"):
        st.write("Progress since the last checkpoint will be lost. You can resume from that checkpoint.")
        if st.button("Force stop", type="primary", key="kill"):
            control.stop_now(runs_root(), run.id)
            st.rerun(scope="app")


def more(run: Run) -> None:
    """Clone, run again, reproduce."""
    if st.button("Clone", icon=":material/content_copy:", key="clone", help="Start a new run from these settings"):
        go_to(TRAIN_PAGE, clone=run.id)
    if run.state.is_live:
        return
    if st.button("Run again", icon=":material/replay:", key="retry", help="Start a new run with the same settings"):
        roots = runs_root(), data_root()
        open_run(once(("retry", run.id), lambda: control.retry(*roots, run.id)))
    if run.state is RunState.FINISHED and st.button(
        "Reproduce",
        icon=":material/repeat:",
        key="reproduce",
        help="Retrain and check whether the result is reproduced",
    ):
        reproduce_dialog(run)


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
            roots, author = (runs_root(), data_root()), visitor.who(ask=False)
            start = partial(control.reproduce, *roots, run.id, author=author)
            open_run(once(("reproduce", run.id), start))


def archive_or_delete(run: Run) -> None:
    """Hide the run from lists, or delete it."""
    label, icon = ("Unarchive", ":material/unarchive:") if run.meta.archived else ("Archive", ":material/archive:")
    if st.button(label, icon=icon, key="archive", help="Hides the run from lists. Nothing is deleted."):
        if visitor.who(ask=False):
            archive(run)
        else:
            ask_who(run)
    if not run.state.is_live and st.button("Delete…", icon=":material/delete:", key="delete"):
        confirm_delete(run)


def archive(run: Run) -> None:
    """Hide the run from lists, or show it there again."""
    annotate(run.paths, visitor.who(ask=False), {"archived": not run.meta.archived})
    st.rerun(scope="app")


@st.dialog("Your name", icon=":material/person:")
def ask_who(run: Run) -> None:
    """Every change is recorded with a name."""
    name = visitor.who(key="who-archive")
    with guarded():
        if st.button("Continue", type="primary", disabled=not name, key="archive-as"):
            archive(run)


@st.dialog("Delete this run?", icon=":material/delete:")
def confirm_delete(run: Run) -> None:
    """Says what is deleted."""
    st.text(run.name)
    st.write(f"This permanently deletes {escape(what_is_lost(run))}.")
    st.caption("To keep the files and just hide the run, archive it instead.")
    with guarded():
        off = not may_delete([run])
        icon = ":material/delete_forever:"
        if st.button("Delete permanently", type="primary", icon=icon, key="delete-really", disabled=off):
            delete_run(run.paths.root, run.id, shipped=True)
            go_to(RUNS_PAGE)
