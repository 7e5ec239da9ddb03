"""What a run predicts, in tabs of the Run page: sample images, and per-class metrics with the confusion matrix."""

from typing import Final

import numpy as np
import streamlit as st

from core.runs.records import Run
from dashboard.state import cache
from dashboard.ui import fixed_broken
from dashboard.ui.confusion import linked_matrix, per_class_table
from dashboard.ui.faces import images_of, predicted_faces
from dashboard.ui.page import ERRORS_PAGE, go_button

SAMPLES: Final = 32
SPLITS_SHOWN: Final = ("test", "validation")
"""The splits that the metrics of a run are shown for."""


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
    epoch = table.attrs.get("epoch")  # while a run trains, its best epoch may be newer than its last checkpoint
    weights = f"the weights of epoch {epoch}" if isinstance(epoch, int) else "the best weights so far"
    st.caption(
        f"{len(chosen)} validation images, predicted with {weights}: {right} correct. "
        "Labels: true → predicted, confidence."
    )
    predicted_faces(images, chosen, "samples")


def errors(run: Run) -> None:
    """Per-class metrics, confusion matrix, and what has changed since the parent, all on one split."""
    splits = [split for split in SPLITS_SHOWN if run.metrics(split)]
    if not splits:
        st.info("Per-class metrics will appear once the run has been evaluated.", icon=":material/grid_view:")
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        split = (
            st.segmented_control(
                "Split",
                splits,
                default=splits[0],
                required=True,
                key="run-split",
                bind="query-params",
                label_visibility="collapsed",
            )
            or splits[0]
        )
        go_button("Misclassified images", ERRORS_PAGE, ":material/grid_view:", run=run.id, split=split)
    metrics = run.metrics(split)
    if metrics and metrics.confusion:
        matrix = np.array(metrics.confusion)
        left, right = st.columns([4, 5], gap="medium")
        with left:
            linked_matrix(matrix, run.id, split, "run-confusion")
        with right:
            st.caption(f"Per-class metrics ({split}, {metrics.images:,} images)")
            per_class_table(matrix, "per-class", intervals=False)
    fixed_broken.against_parent(run, split)
