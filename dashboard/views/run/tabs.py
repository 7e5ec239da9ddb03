"""What the Run page shows: the metrics of a run, and its tabs."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd
import streamlit as st

from core.jobs import machine_slots
from core.jobs.queue import by_queue_position
from core.runs.records import Run, RunState
from dashboard.state import cache
from dashboard.ui import fixed_broken
from dashboard.ui.charts.curves import Axis, over_time, training_curves
from dashboard.ui.charts.matrix import confusion_chart
from dashboard.ui.charts.style import CHART_CONFIG
from dashboard.ui.faces import images_of, predicted_faces
from dashboard.ui.format import accuracy_in, ago, duration, escape, percent
from dashboard.ui.page import ERRORS_PAGE, is_dark, metric_card
from dashboard.ui.runs import best_with_interval, scored_split
from dashboard.views.run import record, review

SAMPLES: Final = 32
CURVE_HEIGHT: Final = 340
MORE_HEIGHT: Final = 220
SCORES: Final = ("precision", "recall", "f1")
AXES: Final[tuple[Axis, ...]] = ("epoch", "step", "time")


def metrics(run: Run) -> None:
    """The metrics of the run, each with its split."""
    epochs, steps = cache.history(run.paths.epochs), cache.history(run.paths.steps)
    status = run.status
    best, test = run.best, run.metrics("test")
    clean = test and test.without_train_duplicates
    loss = float(steps["loss"].tail(50).mean()) if len(steps) else None
    row = st.grid(5, min_column_width=150, row_height=190)  # fixed: nothing jumps when the first trend appears
    metric_card(
        row,
        "Best val. accuracy",
        best_with_interval(run),
        f"epoch {best.epoch}" if best else "available after epoch 1",
        trend=points(epochs, "validation_accuracy"),
        help="Validation accuracy at the best epoch so far, ± half-width of the 95% CI.",
    )
    metric_card(
        row,
        "Test acc. (95% CI)",
        accuracy_in(test),
        f"{percent(clean.accuracy if clean else None)} no train dupes" if test else "after training",
        help="Evaluated once after training, never used for model selection. Below: without train duplicates.",
    )
    metric_card(
        row, "Training loss", "–" if loss is None else f"{loss:.3f}", "last 50 steps", trend=points(steps, "loss")
    )
    speed = status.images_per_second
    metric_card(
        row,
        "Throughput",
        f"{speed:,.0f} img/s" if speed else "–",
        "training",
        trend=points(steps, "images_per_second"),
    )
    if run.state.is_live:
        elapsed = f"{duration(status.elapsed_seconds)} elapsed"
        metric_card(row, "ETA", duration(status.eta_seconds), elapsed, trend=points(epochs, "seconds"))
    else:
        ended = f"ended {ago(status.ended_at)}" if status.ended_at else ""
        trained = duration(status.elapsed_seconds or None)
        metric_card(row, "Training time", trained, ended, trend=points(epochs, "seconds"))


def points(frame: pd.DataFrame, column: str) -> list[float] | None:
    """A few values of a column for a sparkline; None as long as there is no line to draw."""
    values = frame[column].dropna().tolist() if column in frame else []
    return values[:: max(1, len(values) // 40)] if len(values) > 2 else None


def run_progress(run: Run) -> None:
    """How far it is, in epochs and batches."""
    status = run.status
    if run.state is RunState.QUEUED:
        st.progress(0.0, queued_text(run))
    elif run.state.is_live or status.progress < 1:
        batch = f", batch {status.batch:,}/{status.batches:,}" if status.batches else ""
        activity = f" · {escape(status.activity)}" if status.activity and run.state.is_live else ""
        st.progress(status.progress, f"Epoch {status.epoch}/{status.epochs}{batch}{activity}")


def queued_text(run: Run) -> str:
    """Why a queued run has not started: its position in the queue, or a machine that others use."""
    if machine_slots.waits_for_others(run.paths.root):
        return machine_slots.WAITS
    queued = by_queue_position(each for each in cache.runs(run.paths.root) if each.state is RunState.QUEUED)
    position = next((place for place, each in enumerate(queued, 1) if each.id == run.id), None)
    return f"Queued (position {position})" if position else "Queued"


def curve_controls() -> None:
    """Axis and smoothing. Drawn even while another tab is open: what is not drawn is removed from the address."""
    axis, smoothing = st.columns([2, 3], vertical_alignment="center")
    axis.segmented_control(
        "Axis", AXES, default="epoch", required=True, key="axis", bind="query-params", label_visibility="collapsed"
    )
    smoothing.slider("Smoothing", 0.0, 0.99, 0.9, 0.01, key="smoothing", bind="query-params")


def live_curves(run: Run) -> None:
    """Loss and accuracy over the run."""
    epochs, steps = cache.history(run.paths.epochs), cache.history(run.paths.steps)
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


def sample_predictions(run: Run) -> None:
    """Always the same validation images, so that one can follow how their predictions change."""
    table = cache.predictions(run.paths.predictions("validation"))
    if table is None:
        st.info("Sample predictions will appear after epoch 1.", icon=":material/hourglass_empty:")
        return
    images = images_of(run, "validation", len(table))
    if images is None:
        return
    chosen = table.iloc[np.random.default_rng(0).permutation(len(table))[:SAMPLES]]
    right = int(chosen["correct"].sum())
    st.caption(
        f"{len(chosen)} validation images, best checkpoint so far: {right} correct. "
        "Labels: true → predicted, confidence."
    )
    predicted_faces(images, chosen)


def errors(run: Run) -> None:
    """Per-class metrics and confusion matrix, and the link to the images."""
    scored = scored_split(run)
    if scored is None:
        st.info("Per-class metrics will appear once the run has been evaluated.", icon=":material/grid_view:")
        return
    split, metrics = scored
    left, right = st.columns([5, 4], gap="medium")
    with left:
        st.markdown(f"**Per-class metrics ({split}, {metrics.images:,} images)**")
        rows = [
            {"class": label, "support": values.support, **{name: 100 * getattr(values, name) for name in SCORES}}
            for label, values in metrics.per_class.items()
        ]
        bar: dict[str, Any] = {"format": "%.1f%%", "min_value": 0, "max_value": 100, "width": 118}
        config: dict[str, Any] = {
            "class": st.column_config.TextColumn("Class", width=76),
            "precision": st.column_config.ProgressColumn("Precision", help="TP / (TP + FP)", **bar),
            "recall": st.column_config.ProgressColumn("Recall", help="TP / (TP + FN)", **bar),
            "f1": st.column_config.ProgressColumn("F1", help="Harmonic mean of precision and recall", **bar),
            "support": st.column_config.NumberColumn("Images", width=68),
        }
        st.dataframe(
            pd.DataFrame(rows), hide_index=True, column_order=list(config), column_config=config, key="per-class"
        )
        query = {"run": run.id, "split": split}
        st.page_link(ERRORS_PAGE, label="View images", icon=":material/grid_view:", query_params=query)
    if metrics.confusion:
        title = f"Confusion matrix ({split}), row-normalized, %"
        right.plotly_chart(
            confusion_chart(np.array(metrics.confusion), title, 360, is_dark()),
            key="run-confusion",
            config=CHART_CONFIG,
        )
    fixed_broken.against_parent(run)


RUN_TABS: Final[dict[str, Callable[[Run], None]]] = {
    "Curves": live_curves,
    "Predictions": sample_predictions,
    "Error analysis": errors,
    "System": record.system,
    "Log": record.log,
    "Config": record.config_tab,
    "Environment": record.environment_tab,
    "Files": record.files,
    "Review": review.review_tab,
}
