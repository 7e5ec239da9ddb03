"""What the Overview shows: data, device, queue, what is running, and the default model."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.data.dataset import DatasetInfo
from core.jobs.launchers import LOCAL, launcher_title
from core.jobs.queue import by_queue_position
from core.jobs.slots import gpu_notice, list_slots
from core.runs.records import Run, RunState
from dashboard.state import cache
from dashboard.state.roots import runs_root
from dashboard.ui.confusion import linked_matrix
from dashboard.ui.format import EXPLODED, accuracy_in, compact, duration, escape
from dashboard.ui.page import DATA_PAGE, ERRORS_PAGE, PREDICT_PAGE, RUN_PAGE, go_button, metric_card
from dashboard.ui.queue import stop_button
from dashboard.ui.runs import best_with_interval, scored_split, state_chip, test_without_duplicates, why_default
from dashboard.views.overview.first_steps import any_own

MOST_BESIDE = 2
"""Cards of running runs in a row."""


def now(runs: list[Run], datasets: list[DatasetInfo]) -> None:
    """Data, device, queue, and what is running."""
    running = [run for run in runs if run.state in (RunState.RUNNING, RunState.STALLED)]
    queued = by_queue_position(run for run in runs if run.state is RunState.QUEUED)
    slots = list_slots(runs_root())
    row = st.grid(3, min_column_width=200)
    images = sum(info.total for info in datasets)
    names = ", ".join(escape(info.title) for info in datasets)
    if datasets:
        metric_card(row, "Data", f"{images:,} images", names)
    else:
        with row.container(border=True, height="stretch", gap="xsmall"):
            st.metric("Data", "No data yet")
            if any_own(runs):  # else the first steps say so
                go_button("Add data", DATA_PAGE, ":material/database:")
    device = slots[0].title if len(slots) == 1 else f"{len(slots)} × {slots[0].title}"
    busy = any(run.status.launcher == LOCAL for run in running)
    metric_card(row, "Device", "Busy" if busy else "Idle", escape(device))
    following = f"Next: {escape(queued[0].name)}" if queued else "Queue is empty"
    metric_card(row, "Queue", f"{len(running)} running · {len(queued)} queued", following)
    if notice := gpu_notice(runs_root()):
        st.warning(escape(notice), icon=":material/memory:")
    if running:
        st.header("Running", anchor=False)
        cards = st.grid(min(len(running), MOST_BESIDE), min_column_width=400, border=True)
        for run in running:
            with cards.cell():
                card(run, columns=4 if len(running) == 1 else 2)


def card(run: Run, columns: int) -> None:
    """One run that is training, its metrics in so many columns."""
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link(RUN_PAGE, label=f"**{escape(run.name)}**", query_params={"run": run.id}, help="View run")
            state_chip(run.state)
            if run.status.launcher != LOCAL:
                st.caption(escape(f"{launcher_title(run.status.launcher)}, {run.status.host}"), width="content")
        stop_button(run)
    status = run.status
    epochs = cache.epochs(run)
    left = " · stalled" if run.state is RunState.STALLED else f" · {escape(status.activity)}" * bool(status.activity)
    st.progress(status.progress, f"Epoch {status.epoch}/{status.epochs}{left}")
    numbers = st.grid(columns, min_column_width=140)
    accuracies = [100 * accuracy for accuracy in _course(epochs, "validation_accuracy")]
    losses = _course(epochs, "validation_loss")
    numbers.metric("Val. accuracy (best)", best_with_interval(run), chart_data=trend(accuracies), help="± 95% CI")
    numbers.metric("Val. loss", compact(losses[-1] if losses else None), chart_data=trend(losses))
    speed = status.images_per_second
    numbers.metric("Throughput", "–" if speed is None else f"{speed:,.0f} img/s")
    numbers.metric("ETA", duration(status.eta_seconds))


def _course(epochs: pd.DataFrame, column: str) -> list[float]:
    return epochs[column].dropna().tolist() if column in epochs else []


def trend(values: Sequence[float]) -> list[float] | None:
    """What a sparkline draws; None before there is a line to draw, and where a loss has exploded: one value would press
    all others flat."""
    return list(values) if len(values) > 1 and max(map(abs, values)) < EXPLODED else None


def default_model(run: Run) -> None:
    """The run that Predict uses by default."""
    st.header("Default model", anchor=False)
    scored = scored_split(run)
    with st.container(border=True):
        left, right = st.columns([5, 4], gap="large", vertical_alignment="center")
        with left:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{escape(run.name)}**", width="content")
                state_chip(run.state)
            st.caption(why_default(run))
            metrics_row = st.grid(2, min_column_width=140)
            label = "Val. accuracy (95% CI)"
            metrics_row.metric(label, best_with_interval(run), help=f"Epoch {run.best.epoch}" if run.best else None)
            test = run.metrics("test")
            metrics_row.metric(
                "Test accuracy (95% CI)",
                accuracy_in(test),
                help="Below: accuracy on test images that have no exact duplicate in the training set.",
            )
            if test:
                st.caption(f"{test_without_duplicates(run)} excluding train duplicates")
            with st.container(horizontal=True):
                go_button("Curves", RUN_PAGE, ":material/show_chart:", run=run.id)
                go_button("Error analysis", ERRORS_PAGE, ":material/grid_view:", run=run.id)
                go_button("Predict", PREDICT_PAGE, ":material/add_reaction:", run=run.id)
        split, metrics = scored or ("", None)
        if metrics and metrics.confusion:
            with right:
                linked_matrix(np.array(metrics.confusion), run.id, split, "best-confusion")
