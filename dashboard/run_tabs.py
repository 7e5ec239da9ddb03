"""What the tabs of the Run page show."""

from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from core.config import TrainConfig
from core.files import read_json
from core.runs.store import Run
from dashboard import cache, charts, widgets

SAMPLES: Final = 32
AXES: Final = ("epoch", "step", "time")


def curves(run: Run) -> None:
    """Loss and accuracy over the run."""
    axis_box, smoothing_box = st.columns([2, 3], vertical_alignment="center")
    axis = axis_box.segmented_control(
        "Axis", AXES, default="epoch", required=True, key="axis", bind="query-params", label_visibility="collapsed"
    )
    smoothing = smoothing_box.slider(
        "Smoothing of the training curve", 0.0, 0.99, 0.9, 0.01, key="smoothing", bind="query-params"
    )
    epochs, steps = cache.history(run.paths.epochs), cache.history(run.paths.steps)
    if not len(steps) and not len(epochs):
        with st.container(border=True, height=356, horizontal_alignment="center", vertical_alignment="center"):
            st.caption("The curves begin with the first steps.")
        return
    pair = st.grid(2, min_column_width=380)
    for quantity in ("loss", "accuracy"):
        figure = charts.curves(epochs, steps, quantity, axis or "epoch", smoothing, run.status.batches)
        pair.plotly_chart(figure, key=f"curve-{quantity}", config=widgets.CHART_CONFIG)
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
        f"{len(chosen)} validation images at the best epoch so far, {right} of them right: true class, or true → predicted."
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
                    lambda path=path: cache.history(path).to_csv(index=False),
                    file_name=f"{run.id}-{name}.csv",
                    mime="text/csv",
                    icon=":material/download:",
                    on_click="ignore",
                    key=f"csv-{name}",
                )
    present = sorted((path for path in run.paths.folder.iterdir() if path.is_file()), key=lambda path: path.name)
    rows = [{"file": path.name, "size": path.stat().st_size} for path in present]
    config = {"file": "File", "size": st.column_config.NumberColumn("Size", format="bytes")}
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=config, width=560, key="files")


TABS: Final[dict[str, Callable[[Run], None]]] = {
    "Curves": curves,
    "Samples": samples,
    "Log": log,
    "Settings": settings,
    "Files": files,
}
