"""What a run predicts, in tabs of the Run page: sample images, and per-class metrics with the confusion matrix."""

from typing import Any, Final

import numpy as np
import pandas as pd
import streamlit as st

from core.runs.records import Run
from dashboard.state import cache
from dashboard.ui import fixed_broken
from dashboard.ui.charts.matrix import confusion_chart
from dashboard.ui.charts.style import CHART_CONFIG
from dashboard.ui.faces import images_of, predicted_faces
from dashboard.ui.page import ERRORS_PAGE, is_dark
from dashboard.ui.runs import scored_split

SAMPLES: Final = 32
SCORES: Final = ("precision", "recall", "f1")


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
