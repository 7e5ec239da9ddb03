"""The Curves tab of the Run page: loss and accuracy over the run, live while it trains."""

from typing import Final

import pandas as pd
import streamlit as st

from core.runs.records import Run, RunState
from dashboard.state import cache
from dashboard.ui.charts.curves import learning_rates, over_time, training_curves
from dashboard.ui.charts.lines import LineChart, Plan, XAxis, x_axis
from dashboard.ui.components.charts import line_charts
from dashboard.ui.curves import curve_view
from dashboard.ui.format import EXPLODED

EMPTY_HEIGHT: Final = 340
SMOOTHING: Final = 0.9


def live_curves(run: Run) -> None:
    """Loss and accuracy over the run."""
    epochs, steps = cache.epochs(run), cache.history(run.paths.steps)
    if not len(steps) and not len(epochs):
        if run.state is RunState.QUEUED:
            st.caption("Training has not started yet.")
            return
        with st.container(border=True, height=EMPTY_HEIGHT, horizontal_alignment="center", vertical_alignment="center"):
            begin = "Waiting for the first training step…" if run.state.is_live else "No metrics were logged."
            st.caption(begin, width="content")
        return
    kind, smoothing, log = curve_view()
    axis = x_axis(kind, [planned(run, epochs, steps)], estimated=run.state.is_live)
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
    line_charts([chart for chart in charts if chart], axis, key="run-curves")
    st.caption(
        "Drag to zoom, double-click to reset. Training metrics are running values on augmented images; validation is "
        "measured on clean images after each epoch, so early validation accuracy can exceed training accuracy."
    )


def has_exploded(run: Run) -> bool:
    """Whether a loss has grown so much that on a linear scale all others are one flat line; not where the file cannot
    be read, which the curves say."""
    try:
        epochs = cache.epochs(run)
    except OSError:
        return False
    losses = [epochs[name] for name in ("train_loss", "validation_loss") if name in epochs]
    return any(loss.max() >= EXPLODED for loss in losses)


def _last(rows: pd.DataFrame, column: str) -> float:
    """The last number of a column; 0 where there is none."""
    values = rows[column].dropna().tolist() if column in rows else []
    return float(values[-1]) if values else 0.0


def planned(run: Run, epochs: pd.DataFrame, steps: pd.DataFrame) -> Plan:
    """How long a run is going to be; one that has ended early is as long as it became."""
    status = run.status
    done = max(_last(rows, "elapsed_s") for rows in (epochs, steps))
    if run.state.is_live or run.state is RunState.FINISHED:
        return Plan(status.epochs, status.batches, done + (status.eta_seconds or 0 if run.state.is_live else 0))
    last = max(_last(rows, "step") for rows in (epochs, steps))
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
