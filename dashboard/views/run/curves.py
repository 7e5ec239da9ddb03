"""The Curves tab of the Run page: loss and accuracy over the run, live while it trains."""

from typing import Final

import pandas as pd
import streamlit as st

from core.runs.records import Run, RunState
from dashboard.state import cache
from dashboard.ui.charts.curves import learning_rates, over_time, training_curves
from dashboard.ui.charts.lines import AxisKind, LineChart, Plan, XAxis, x_axis
from dashboard.ui.components.charts import line_charts

EMPTY_HEIGHT: Final = 340
AXES: Final[tuple[AxisKind, ...]] = ("epoch", "step", "time")


def curve_controls() -> None:
    """Axis, smoothing and scale. Drawn even while another tab is open: what is not drawn is removed from the
    address."""
    axis, smoothing, scale = st.columns([3, 4, 2], vertical_alignment="center", gap="medium")
    axis.segmented_control(
        "Axis", AXES, default="epoch", required=True, key="axis", bind="query-params", label_visibility="collapsed"
    )
    smoothing.slider("Smoothing", 0.0, 0.99, 0.9, 0.01, key="smoothing", bind="query-params")
    scale.toggle(
        "Log scale",
        key="log",
        bind="query-params",
        help="Logarithmic y axis for loss and learning rate.",
        width="content",
    )


def live_curves(run: Run) -> None:
    """Loss and accuracy over the run."""
    epochs, steps = cache.history(run.paths.epochs), cache.history(run.paths.steps)
    if not len(steps) and not len(epochs):
        with st.container(border=True, height=EMPTY_HEIGHT, horizontal_alignment="center", vertical_alignment="center"):
            begin = "Waiting for the first training step…" if run.state.is_live else "No metrics were logged."
            st.caption(begin, width="content")
        return
    axis = x_axis(st.session_state["axis"], [plan_of(run, epochs, steps)], estimated=run.state.is_live)
    smoothing: float = st.session_state["smoothing"]
    log: bool = st.session_state["log"]
    batches = run.status.batches
    charts = [
        training_curves(epochs, steps, "loss", axis, smoothing, batches, log),
        training_curves(epochs, steps, "accuracy", axis, smoothing, batches),
        learning_rate(run, steps, axis, log),
        over_time(
            steps,
            {"images_per_second": "throughput"},
            "speed",
            "Throughput (img/s)",
            axis,
            suffix=" img/s",
            batches=batches,
        ),
    ]
    line_charts([chart for chart in charts if chart], axis, key="curves")
    st.caption(
        "Drag to zoom, double-click to reset. Training metrics are running values on augmented images; validation is "
        "measured on clean images after each epoch, so early validation accuracy can exceed training accuracy."
    )


def plan_of(run: Run, epochs: pd.DataFrame, steps: pd.DataFrame) -> Plan:
    """How long a run is going to be; one that has ended early is as long as it became."""
    status = run.status
    done = max((float(rows["elapsed_s"].iloc[-1]) for rows in (epochs, steps) if len(rows)), default=0)
    if run.state.is_live or run.state is RunState.FINISHED:
        return Plan(status.epochs, status.batches, done + (status.eta_seconds or 0 if run.state.is_live else 0))
    last = max((int(rows["step"].iloc[-1]) for rows in (epochs, steps) if len(rows)), default=0)
    return Plan(last / status.batches if status.batches else status.epoch, status.batches, done)


def learning_rate(run: Run, steps: pd.DataFrame, axis: XAxis, log: bool) -> LineChart | None:
    """The rate of each optimizer. Muon's is a hundred times the other's: only a logarithmic axis shows both."""
    config = run.config
    rates = (
        learning_rates(steps, config.optimizer, config.learning_rate, config.muon_learning_rate) if config else steps
    )
    names = ("Muon", "AdamW", "learning rate", "learning_rate")
    lines = {name: name.replace("_", " ") for name in names if name in rates}
    if len(lines) > 1:
        lines.pop("learning_rate", None)
    return over_time(
        rates, lines, "learning-rate", "Learning rate", axis, batches=run.status.batches, digits=6, log=log
    )
