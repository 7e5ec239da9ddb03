"""The upper half of the error analysis: metrics, confusion matrix, metrics per class; and the calibration tab."""

from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation.metrics import accuracy_interval, calibration_error, confusion, with_temperature
from core.evaluation.per_class import class_metrics, reliability
from core.evaluation.predictions import probabilities_of
from core.labels import LABELS
from core.review.gallery import ANY, ImageFilter
from dashboard.state import cache
from dashboard.ui.charts.reliability import reliability_chart
from dashboard.ui.charts.style import CHART_CONFIG
from dashboard.ui.components.matrix import clickable_matrix
from dashboard.ui.format import percent, with_interval
from dashboard.ui.page import metric_card
from dashboard.views.errors.shown import Shown

Normalization = Literal["None", "Rows (recall)", "Columns (precision)"]
CELLS: Final[dict[Normalization, str]] = {
    "None": "Number of images",
    "Rows (recall)": "% of each true class",
    "Columns (precision)": "% of each predicted class",
}


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


def confusion_matrix(matrix: np.ndarray, wanted: ImageFilter) -> None:
    """Cells that show their images: each sets the two class filters of the gallery."""
    normalize: Normalization = (
        st.segmented_control(
            "Normalize",
            list(CELLS),
            default="None",
            required=True,
            key="unit",
            bind="query-params",
        )
        or "None"
    )
    clickable_matrix(
        {
            "labels": list(LABELS),
            "rows": "true",
            "columns": "predicted",
            "caption": f"{CELLS[normalize]}. Rows: true class, columns: predicted. "
            "Click a cell to filter the images below.",
            "cells": cells(matrix, normalize),
            "chosen": [LABELS.index(label) if label in LABELS else None for label in (wanted.true, wanted.predicted)],
        },
        key="matrix",
        on_choose=choose_cell,
    )


def cells(matrix: np.ndarray, normalize: Normalization) -> list[list[dict[str, Any]]]:
    """Text of each cell, its shade (fraction of the true class, 0..1, or of the predicted one), and its tooltip."""
    axis = 0 if normalize == "Columns (precision)" else 1
    total = matrix.sum(axis=axis, keepdims=True)
    fraction = np.divide(matrix, total, out=np.zeros(matrix.shape), where=total > 0)
    whole = "of predicted {}" if axis == 0 else "of true {}"
    return [
        [
            {
                "text": f"{matrix[i, j]:,}" if normalize == "None" else f"{100 * fraction[i, j]:.0f}",
                "shade": round(float(fraction[i, j]), 3),
                "title": f"True {LABELS[i]}, predicted {LABELS[j]}: {matrix[i, j]:,} images, "
                f"{100 * fraction[i, j]:.1f}% {whole.format(LABELS[j if axis == 0 else i])}",
            }
            for j in range(len(LABELS))
        ]
        for i in range(len(LABELS))
    ]


def choose_cell() -> None:
    """Set the filters, which are in the address, to what was clicked. The images of a cell are all correct or all
    misclassified, so both are shown; without a cell the gallery goes back to the misclassified ones."""
    chosen = st.session_state["matrix"]["chosen"] or {}
    row, column = chosen.get("row"), chosen.get("column")
    st.session_state["true"] = ANY if row is None else LABELS[row]
    st.session_state["predicted"] = ANY if column is None else LABELS[column]
    st.session_state["show"] = "wrong" if row is None or column is None else "all"


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


def calibration(shown: Shown) -> None:
    """Reliability diagrams and ECE, uncalibrated and temperature-scaled."""
    labels, plain = shown.table["label"].to_numpy(), probabilities_of(shown.table)
    fitted_on = shown.run.paths.predictions("validation")
    if not fitted_on.exists():
        st.info("Temperature scaling needs validation predictions, which aren't available yet.")
        return
    with st.spinner("Fitting the temperature…"):
        temperature = cache.temperature(cache.file_key(fitted_on))
    calibrated = with_temperature(plain, temperature)
    pair = st.grid(2, min_column_width=320)
    for name, probabilities in (
        ("Uncalibrated", plain),
        (f"Temperature-scaled (T = {temperature:.2f})", calibrated),
    ):
        error = calibration_error(labels, probabilities)
        title = f"{name}: ECE {100 * error:.1f}%"
        figure = reliability_chart(reliability(labels, probabilities), title)
        pair.plotly_chart(figure, key=f"reliability-{name[:4]}", config=CHART_CONFIG, alt=title)
    st.caption(
        f"{shown.split.capitalize()}, {len(labels):,} images. Perfect calibration lies on the diagonal; points below "
        "it are overconfident. Bars: 95% CI (Wilson). Expected calibration error (ECE): mean gap between confidence "
        "and accuracy, 15 bins. The temperature T divides the logits; it is fitted on validation"
        + (", so the right-hand result is slightly optimistic." if shown.split == "validation" else ".")
    )
