"""The Curves tab of the Run page: loss and accuracy over the run, live while it trains."""

from typing import Final

import streamlit as st

from core.runs.records import Run
from dashboard.state import cache
from dashboard.ui.charts.curves import Axis, over_time, training_curves

CURVE_HEIGHT: Final = 340
MORE_HEIGHT: Final = 220
AXES: Final[tuple[Axis, ...]] = ("epoch", "step", "time")


def curve_controls() -> None:
    """Axis and smoothing. Drawn even while another tab is open: what is not drawn is removed from the address."""
    axis, smoothing = st.columns([2, 3], vertical_alignment="center")
    axis.segmented_control(
        "Axis", AXES, default="epoch", required=True, key="axis", bind="query-params", label_visibility="collapsed"
    )
    smoothing.slider("Smoothing", 0.0, 0.99, 0.9, 0.01, key="smoothing", bind="query-params")


def live_curves(run: Run) -> None:
    """Loss and accuracy over the run."""
    epochs, steps = cache.epochs(run), cache.history(run.paths.steps)
    if not len(steps) and not len(epochs):
        with st.container(border=True, height=CURVE_HEIGHT, horizontal_alignment="center", vertical_alignment="center"):
            begin = "Waiting for the first training step…" if run.state.is_live else "No metrics were logged."
            st.caption(begin, width="content")
        return
    axis: Axis = st.session_state["axis"]
    smoothing: float = st.session_state["smoothing"]
    pair = st.grid(2, min_column_width=380)
    for quantity in ("loss", "accuracy"):
        figure = training_curves(epochs, steps, quantity, axis, smoothing, run.status.batches)
        pair.echarts_chart(figure, height=CURVE_HEIGHT, key=f"curve-{quantity}", alt=f"{quantity} of this run")
    more = {
        "learning-rate": over_time(
            steps, {"learning_rate": "learning rate"}, "Learning rate", "rate", axis, run.status.batches, digits=5
        ),
        "speed": over_time(
            steps, {"images_per_second": "throughput"}, "Throughput (img/s)", "img/s", axis, run.status.batches
        ),
    }
    for key, chart in more.items():
        if chart:
            pair.echarts_chart(chart, height=MORE_HEIGHT, key=f"curve-{key}", alt=f"{key} of this run")
    st.caption(
        "Training metrics are running values on augmented images; validation is measured on clean images after each "
        "epoch, so early validation accuracy can exceed training accuracy."
    )
