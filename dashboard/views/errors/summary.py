"""The upper half of the error analysis: metrics, confusion matrix, and metrics per class."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation.metrics import accuracy_interval, confusion
from core.evaluation.per_class import class_metrics
from core.review.gallery import ImageFilter
from dashboard.ui.format import percent, with_interval
from dashboard.ui.page import metric_card
from dashboard.views.errors.matrix import confusion_matrix
from dashboard.views.errors.shown import Shown


def metrics_summary(shown: Shown, wanted: ImageFilter) -> None:
    """Cards above; matrix and classes side by side."""
    metric_cards(shown)
    matrix = confusion(shown.table["label"].to_numpy(), shown.table["predicted"].to_numpy())
    left, right = st.columns(2, gap="medium")
    with left:
        confusion_matrix(matrix, wanted)
    with right:
        per_class(matrix, shown)


def metric_cards(shown: Shown) -> None:
    """Accuracy, the same excluding train duplicates, macro F1, and the number of misclassified images."""
    row = st.grid(4, min_column_width=165)
    table = shown.table
    accuracy_card(row, f"{shown.split.capitalize()} accuracy", table["correct"])
    flags = shown.copies.get("train") if shown.copies is not None and shown.data_split != "train" else None
    if flags is not None:
        accuracy_card(
            row,
            "No train duplicates",
            table["correct"][~flags[table["index"].to_numpy()]],
            help="Some images have a pixel-identical copy in the training set. This is the accuracy excluding them.",
        )
    metrics = class_metrics(confusion(table["label"].to_numpy(), table["predicted"].to_numpy()))
    present = metrics[metrics["support"] > 0]
    metric_card(
        row,
        "Macro F1",
        percent(float(present["f1"].mean()) if len(present) else None),
        f"balanced acc. {percent(float(present['recall'].mean()))}" if len(present) else "",
        help="Unweighted mean of per-class F1.",
    )
    wrong = int((~table["correct"]).sum())
    metric_card(row, "Misclassified", f"{wrong:,}", f"of {len(table):,} images")
    if shown.split == "train":
        st.caption("These are training images; metrics don't reflect generalization.")


def accuracy_card(row: Any, label: str, correct: pd.Series, help: str | None = None) -> None:
    """An accuracy with the half-width of its 95% interval."""
    right, total = int(correct.sum()), len(correct)
    metric_card(
        row,
        label,
        with_interval(right / total if total else None, accuracy_interval(right, total)),
        f"{right:,} of {total:,} images",
        help=help or "± half-width of the 95% CI.",
    )


def per_class(matrix: np.ndarray, shown: Shown) -> None:
    """Precision, recall and F1 of each class."""
    metrics = class_metrics(matrix)
    table = pd.DataFrame(
        {
            "class": metrics["label"],
            "images": metrics["support"],
            **{
                name: [
                    f"{100 * value:.1f} ({100 * low:.0f}–{100 * high:.0f})"
                    for value, low, high in zip(
                        metrics[name], metrics[f"{name}_low"], metrics[f"{name}_high"], strict=True
                    )
                ]
                for name in ("precision", "recall", "f1")
            },
        }
    )
    config: dict[str, Any] = {
        "class": st.column_config.TextColumn("Class", pinned=True),
        "images": st.column_config.NumberColumn("Images", format="%,d", help=f"Images of this class in {shown.split}"),
        "precision": st.column_config.TextColumn(
            "Precision", help="Fraction of predictions of this class that are correct: TP / (TP + FP)"
        ),
        "recall": st.column_config.TextColumn(
            "Recall", help="Fraction of this class that is predicted correctly: TP / (TP + FN)"
        ),
        "f1": st.column_config.TextColumn("F1", help="Harmonic mean of precision and recall"),
    }
    st.dataframe(table, hide_index=True, column_config=config, key="classes", height="content")
    st.caption("Percent, with 95% confidence intervals (Wilson; for F1 derived from TP / (TP + FP + FN)).")
