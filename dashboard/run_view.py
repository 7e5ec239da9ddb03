"""What the Run page shows: the figures of a run, and its tabs."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import streamlit as st

from core.config import TrainConfig
from core.files import read_json
from core.runs.store import Run, RunState
from dashboard import cache, charts, review_view, widgets
from dashboard.widgets import duration, escape

SAMPLES: Final = 32
CURVE_HEIGHT: Final = 340
AXES: Final[tuple[charts.Axis, ...]] = ("epoch", "step", "time")


def metrics(run: Run) -> None:
    """The figures of the run, each with its split."""
    epochs, steps = cache.history(run.paths.epochs), cache.history(run.paths.steps)
    status = run.status
    best, test = run.summary.get("best", {}), widgets.evaluation_of(run, "test")
    loss = float(steps["loss"].tail(50).mean()) if len(steps) else None
    row = st.grid(5, min_column_width=150, row_height=190)  # fixed: nothing jumps when the first trend appears
    widgets.figure(
        row,
        "Best validation",
        widgets.best_with_interval(run),
        f"epoch {best['epoch']}" if best.get("epoch") else "after epoch 1",
        trend=points(epochs, "validation_accuracy"),
        help="Accuracy on the validation images at the best epoch so far.",
    )
    widgets.figure(
        row,
        "Test ± 95 %",
        widgets.with_interval(test),
        f"{test['images']:,} images" if test and test.get("images") else "once, at the end",
        help="Accuracy on the test images with half of its 95 % interval; scored once, never used to choose.",
    )
    widgets.figure(
        row, "Training loss", "–" if loss is None else f"{loss:.3f}", "last 50 steps", trend=points(steps, "loss")
    )
    speed = status.images_per_second
    widgets.figure(
        row,
        "Images per second",
        f"{speed:,.0f}" if speed else "–",
        "in training",
        trend=points(steps, "images_per_second"),
    )
    if run.state.is_live:
        widgets.figure(row, "Time left", duration(status.eta_seconds), f"{duration(status.elapsed_seconds)} so far")
    else:
        ended = f"ended {widgets.ago(status.ended_at)}" if status.ended_at else ""
        widgets.figure(row, "Time trained", duration(status.elapsed_seconds or None), ended)


def points(frame: pd.DataFrame, column: str) -> list[float] | None:
    """A few values of a column for a sparkline; None as long as there is no line to draw."""
    values = frame[column].dropna().tolist() if column in frame else []
    return values[:: max(1, len(values) // 40)] if len(values) > 2 else None


def progress(run: Run) -> None:
    """How far it is, in epochs and batches."""
    status = run.status
    if run.state is RunState.QUEUED:
        st.progress(0.0, "waiting in the queue")
    elif run.state.is_live or status.progress < 1:
        batch = f", batch {status.batch:,}/{status.batches:,}" if status.batches else ""
        activity = f" · {escape(status.activity)}" if status.activity and run.state.is_live else ""
        st.progress(status.progress, f"epoch {status.epoch}/{status.epochs}{batch}{activity}")


def curve_controls() -> None:
    """Axis and smoothing. Drawn even while another tab is open: what is not drawn falls out of the address."""
    axis, smoothing = st.columns([2, 3], vertical_alignment="center")
    axis.segmented_control(
        "Axis", AXES, default="epoch", required=True, key="axis", bind="query-params", label_visibility="collapsed"
    )
    smoothing.slider("Smoothing of the training curve", 0.0, 0.99, 0.9, 0.01, key="smoothing", bind="query-params")


def curves(run: Run) -> None:
    """Loss and accuracy over the run."""
    epochs, steps = cache.history(run.paths.epochs), cache.history(run.paths.steps)
    if not len(steps) and not len(epochs):
        with st.container(border=True, height=CURVE_HEIGHT, horizontal_alignment="center", vertical_alignment="center"):
            st.caption("The curves begin with the first steps.", width="content")
        return
    axis: charts.Axis = st.session_state["axis"]
    smoothing: float = st.session_state["smoothing"]
    pair = st.grid(2, min_column_width=380)
    for quantity in ("loss", "accuracy"):
        figure = charts.curves(epochs, steps, quantity, axis, smoothing, run.status.batches)
        pair.echarts_chart(figure, height=CURVE_HEIGHT, key=f"curve-{quantity}", alt=f"{quantity} of this run")
    st.caption(
        "Training is measured on augmented images while the network learns, validation on untouched ones "
        "after each epoch: at first validation often lies above training."
    )


def samples(run: Run) -> None:
    """The same validation images at every look, so that one sees the network change its mind."""
    table = cache.predictions(run.paths.predictions("validation"))
    if table is None:
        st.info("Sample predictions appear after the first epoch.", icon=":material/hourglass_empty:")
        return
    images = widgets.images_of(run, "validation", len(table))
    if images is None:
        return
    chosen = table.iloc[np.random.default_rng(0).permutation(len(table))[:SAMPLES]]
    right = int(chosen["correct"].sum())
    st.caption(
        f"{len(chosen)} validation images at the best epoch so far, {right} of them right. "
        "Beneath each: its class, or true → predicted, and the confidence."
    )
    widgets.predicted_faces(images, chosen)


def log(run: Run) -> None:
    """The end of what the worker printed."""
    text = cache.log_tail(run.paths.log)
    with st.container(height=460, autoscroll=True, border=False):
        st.code(text or "Nothing has been logged yet.", language=None, wrap_lines=True)
    if text:
        widgets.download_file(run, run.paths.log, "Whole log")


def settings(run: Run) -> None:
    """All settings, and the machine they ran on."""
    if run.config is None:
        st.info("The settings of this run cannot be read.", icon=":material/broken_image:")
    else:
        defaults = TrainConfig()
        rows = [
            {
                "setting": name,
                "value": str(getattr(run.config, name)),
                "default": "" if getattr(run.config, name) == getattr(defaults, name) else str(getattr(defaults, name)),
                "meaning": field.description,
            }
            for name, field in TrainConfig.model_fields.items()
        ]
        config = {"default": st.column_config.TextColumn("default, if it differs")}
        st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=config, height=460, key="settings")
    try:
        environment = read_json(run.paths.environment)
    except (OSError, ValueError):
        return
    with st.expander("Environment: packages, device, commit, data fingerprint", icon=":material/dns:"):
        st.json(environment)


def files(run: Run) -> None:
    """What can be taken away."""
    if run.has_weights:
        widgets.download_file(run, run.paths.weights, "Weights", primary=True)
        st.caption("The best epoch as a plain PyTorch state dict; it loads with `weights_only=True`.")
    else:
        st.info("fer2013_model_2.pth is written after the first epoch.", icon=":material/hourglass_empty:")
    with st.container(horizontal=True):
        for name, path in (("epochs", run.paths.epochs), ("steps", run.paths.steps)):
            if path.exists():
                st.download_button(
                    f"Curves per {name[:-1]} (CSV)",
                    partial(as_csv, path),
                    file_name=f"{run.id}-{name}.csv",
                    mime="text/csv",
                    icon=":material/download:",
                    on_click="ignore",
                    key=f"csv-{name}",
                )
    present = sorted((path for path in run.paths.folder.iterdir() if path.is_file()), key=lambda path: path.name)
    rows = [{"file": path.name, "size": path.stat().st_size} for path in present]
    config: dict[str, Any] = {"file": "File", "size": st.column_config.NumberColumn("Size", format="bytes")}
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=config, width=560, key="files")


def as_csv(path: Path) -> str:
    """All rows of a history."""
    return cache.history(path).to_csv(index=False)


TABS: Final[dict[str, Callable[[Run], None]]] = {
    "Curves": curves,
    "Samples": samples,
    "Log": log,
    "Settings": settings,
    "Files": files,
    "Review": review_view.review,
}
