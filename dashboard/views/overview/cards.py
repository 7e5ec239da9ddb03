"""What the Overview shows: data, device, queue, what is running, and the default model."""

import numpy as np
import streamlit as st

from core.data.dataset import DatasetInfo
from core.jobs.queue import by_queue_position
from core.jobs.slots import gpu_notice, list_slots
from core.runs.records import Run, RunState
from dashboard.state import cache
from dashboard.state.roots import runs_root
from dashboard.ui.confusion import linked_matrix
from dashboard.ui.format import accuracy_in, duration, escape
from dashboard.ui.page import DATA_PAGE, ERRORS_PAGE, PREDICT_PAGE, RUN_PAGE, metric_card
from dashboard.ui.queue import stop_button
from dashboard.ui.runs import best_with_interval, scored_split, state_chip, test_without_duplicates, why_default

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
            st.page_link(DATA_PAGE, label="Add data", icon=":material/arrow_forward:")
    device = slots[0].title if len(slots) == 1 else f"{len(slots)} × {slots[0].title}"
    metric_card(row, "Device", "Busy" if running else "Idle", escape(device))
    following = f"Next: {escape(queued[0].name)}" if queued else "Queue is empty"
    metric_card(row, "Queue", f"{len(running)} running · {len(queued)} queued", following)
    if notice := gpu_notice(runs_root()):
        st.warning(escape(notice), icon=":material/memory:")
    if running:
        st.subheader("Running", anchor=False)
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
        stop_button(run)
    status = run.status
    epochs = cache.epochs(run)
    left = " · stalled" if run.state is RunState.STALLED else f" · {escape(status.activity)}" * bool(status.activity)
    st.progress(status.progress, f"Epoch {status.epoch}/{status.epochs}{left}")
    numbers = st.grid(columns, min_column_width=140)
    trend = (100 * epochs["validation_accuracy"].dropna()).tolist() if len(epochs) > 1 else None
    numbers.metric("Val. accuracy (best)", best_with_interval(run), chart_data=trend, help="± 95% CI")
    losses = epochs["validation_loss"].dropna().tolist() if "validation_loss" in epochs else []
    numbers.metric("Val. loss", f"{losses[-1]:.3f}" if losses else "–", chart_data=losses if len(losses) > 1 else None)
    speed = status.images_per_second
    numbers.metric("Images/s", "–" if speed is None else f"{speed:,.0f}")
    numbers.metric("Time left", duration(status.eta_seconds))


def default_model(run: Run) -> None:
    """The run that Predict uses by default."""
    st.subheader("Default model", anchor=False)
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
                query = {"run": run.id}
                st.page_link(RUN_PAGE, label="Curves", icon=":material/show_chart:", query_params=query)
                st.page_link(ERRORS_PAGE, label="Error analysis", icon=":material/grid_view:", query_params=query)
                st.page_link(PREDICT_PAGE, label="Predict", icon=":material/add_reaction:", query_params=query)
        split, metrics = scored or ("", None)
        if metrics and metrics.confusion:
            with right:
                linked_matrix(np.array(metrics.confusion), run.id, split, "best-confusion")
