"""Above the tabs of the Run page: the metrics of the run, and how far it is."""

from typing import Final

import numpy as np
import streamlit as st

from core.jobs import machine_slots
from core.jobs.launchers import LOCAL, launcher_title
from core.jobs.queue import by_queue_position, stuck_runs
from core.runs.records import Run, RunState
from dashboard.state import cache
from dashboard.ui.format import accuracy_in, ago, compact, duration, energy, escape, percent
from dashboard.ui.runs import best_with_interval

_SEEN_LIVE: Final = "seen-live"
"""In the session state: the run this visitor has watched. Its bar stays when it ends, so that nothing below moves."""

_USE: Final = (
    "Model FLOPs utilization: the floating-point operations that training needs, as a fraction of the device's peak in "
    "this precision, from its data sheet or else measured with a matrix product."
)
_ENERGY: Final = "Energy of the whole GPU while this run trained, over all resumes, including what others used it for."


def metrics(run: Run) -> None:
    """The metrics of the run, each with its split, in one line: they stand above every tab."""
    steps, status = cache.history(run.paths.steps), run.status
    best, test = run.best, run.metrics("test")
    clean = test and test.without_train_duplicates
    recent = steps["loss"].tail(50).dropna() if len(steps) else ()
    speed = status.images_per_second
    with st.container(horizontal=True, gap="medium"):
        _figure(
            "Val. acc. (95% CI)",
            best_with_interval(run),
            f"best, epoch {best.epoch}" if best else "available after epoch 1",
            help="Validation accuracy at the best epoch so far, ± half-width of the 95% CI.",
        )
        _figure(
            "Test acc. (95% CI)",
            accuracy_in(test),
            f"{percent(clean.accuracy if clean else None)} no train dupes" if test else "after training",
            help="Evaluated once after training, never used for model selection. Below: without train duplicates.",
        )
        _figure("Training loss", compact(float(np.mean(recent)) if len(recent) else None), "last 50 steps")
        _figure("Throughput", f"{speed:,.0f} img/s" if speed else "–", status.utilization or "training", help=_USE)
        if run.state.is_live:
            _figure("ETA", duration(status.eta_seconds), f"{duration(status.elapsed_seconds)} elapsed")
        else:
            ended = f"ended {ago(status.ended_at)}" if status.ended_at else ""
            _figure("Training time", duration(status.elapsed_seconds or None), ended)
        if run.summary.energy_joules:
            _figure("GPU energy", energy(run.summary.energy_joules), "training", help=_ENERGY)


def _figure(label: str, value: str, note: str, help: str | None = None) -> None:
    st.metric(label, value, note or None, delta_color="off", delta_arrow="off", width="content", help=help)


def run_progress(run: Run) -> None:
    """How far it is, in epochs and batches."""
    status = run.status
    if run.state is RunState.QUEUED:
        st.progress(status.progress, queued_text(run))  # what is resumed has come some way
    elif run.state.is_live or status.progress < 1 or st.session_state.get(_SEEN_LIVE) == run.id:
        if run.state.is_live:
            st.session_state[_SEEN_LIVE] = run.id
        batch = f", batch {status.batch:,}/{status.batches:,}" if status.batches else ""
        activity = f" · {escape(status.activity)}" if status.activity and run.state.is_live else ""
        st.progress(status.progress, f"Epoch {status.epoch}/{status.epochs}{batch}{activity}")


def queued_text(run: Run) -> str:
    """Why a queued run has not started: its position in the queue, others on the machine, or what its engine says."""
    if run.status.launcher != LOCAL:
        return escape(run.problem or f"Queued by {launcher_title(run.status.launcher)}.")
    if stuck := stuck_runs(run.paths.root).get(run.id):
        return f"Passed over. {escape(stuck)}"
    if machine_slots.waits_for_others(run.paths.root):
        return machine_slots.WAITS
    waiting = (each for each in cache.runs(run.paths.root) if each.state is RunState.QUEUED)
    queued = by_queue_position(each for each in waiting if each.status.launcher == LOCAL)
    position = next((place for place, each in enumerate(queued, 1) if each.id == run.id), None)
    return f"Queued (position {position})" if position else "Queued"
