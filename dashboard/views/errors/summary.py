"""The upper half of the Errors page: scores, confusion matrix, figures per class, calibration."""

from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation.metrics import accuracy_interval, calibration_error, confusion, with_temperature
from core.evaluation.per_class import class_figures, reliability
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

Unit = Literal["counts", "by row", "by column"]
UNITS: Final[dict[Unit, str]] = {
    "counts": "Images",
    "by row": "% of each true class",
    "by column": "% of each predicted class",
}


def metrics_summary(shown: Shown, wanted: ImageFilter) -> None:
    """Scores above; matrix and classes beside each other."""
    scores(shown)
    matrix = confusion(shown.table["label"].to_numpy(), shown.table["predicted"].to_numpy())
    left, right = st.columns(2, gap="medium")
    with left:
        confusion_matrix(matrix, wanted)
    with right:
        per_class(matrix, shown)


def scores(shown: Shown) -> None:
    """How many are right, and how many of those images that the network cannot have seen."""
    row = st.grid(4, min_column_width=165)
    table = shown.table
    score(row, f"Accuracy on {shown.split}", table["correct"])
    flags = shown.copies.get("train") if shown.copies is not None and shown.data_split != "train" else None
    if flags is not None:
        unseen = table["correct"][~flags[table["index"].to_numpy()]]
        score(
            row,
            "Without images in train",
            unseen,
            help="Some images of this split also stand in train, pixel for pixel: the network has seen them. This is "
            "the accuracy without those.",
        )
    figures = class_figures(confusion(table["label"].to_numpy(), table["predicted"].to_numpy()))
    present = figures[figures["support"] > 0]
    metric_card(
        row,
        "Macro F1",
        percent(float(present["f1"].mean()) if len(present) else None),
        f"mean recall {percent(float(present['recall'].mean()))}" if len(present) else "",
        help="Mean of F1 over the seven classes: each counts the same, however many images it has.",
    )
    wrong = int((~table["correct"]).sum())
    metric_card(row, "Wrong", f"{wrong:,}", f"of {len(table):,} images")
    if shown.split == "train":
        st.caption("The network has learned these images: its scores on them say nothing about new faces.")


def score(row: Any, label: str, correct: pd.Series, help: str | None = None) -> None:
    """An accuracy with half of its 95 % interval."""
    right, total = int(correct.sum()), len(correct)
    metric_card(
        row,
        label,
        with_interval(right / total if total else None, accuracy_interval(right, total)),
        f"{right:,} of {total:,} images",
        help=help or "± half of the 95 % interval.",
    )


def confusion_matrix(matrix: np.ndarray, wanted: ImageFilter) -> None:
    """Cells that open their images: each sets the two class filters of the gallery."""
    unit: Unit = (
        st.segmented_control(
            "Cells show",
            list(UNITS),
            default="counts",
            required=True,
            format_func=str.capitalize,
            key="unit",
            bind="query-params",
        )
        or "counts"
    )
    clickable_matrix(
        {
            "labels": list(LABELS),
            "rows": "true",
            "columns": "predicted",
            "caption": f"{UNITS[unit]}. True class down, predicted across. A click shows the images.",
            "cells": cells(matrix, unit),
            "chosen": [LABELS.index(label) if label in LABELS else None for label in (wanted.true, wanted.predicted)],
        },
        key="matrix",
        on_choose=choose_cell,
    )


def cells(matrix: np.ndarray, unit: Unit) -> list[list[dict[str, Any]]]:
    """What stands in each cell, how dark it is (its share of the true class, 0..1, or of the predicted one), and what
    it says in full."""
    axis = 0 if unit == "by column" else 1
    total = matrix.sum(axis=axis, keepdims=True)
    share = np.divide(matrix, total, out=np.zeros(matrix.shape), where=total > 0)
    whole = "of predicted {}" if axis == 0 else "of true {}"
    return [
        [
            {
                "text": f"{matrix[i, j]:,}" if unit == "counts" else f"{100 * share[i, j]:.0f}",
                "shade": round(float(share[i, j]), 3),
                "title": f"true {LABELS[i]}, predicted {LABELS[j]}: {matrix[i, j]:,} images, "
                f"{100 * share[i, j]:.1f} % {whole.format(LABELS[j if axis == 0 else i])}",
            }
            for j in range(len(LABELS))
        ]
        for i in range(len(LABELS))
    ]


def choose_cell() -> None:
    """Put what was clicked into the filters, which stand in the address. A cell is all right or all wrong, so both are
    let through; without a cell the gallery goes back to what is wrong."""
    chosen = st.session_state["matrix"]["chosen"] or {}
    row, column = chosen.get("row"), chosen.get("column")
    st.session_state["true"] = ANY if row is None else LABELS[row]
    st.session_state["predicted"] = ANY if column is None else LABELS[column]
    st.session_state["show"] = "wrong" if row is None or column is None else "all"


def per_class(matrix: np.ndarray, shown: Shown) -> None:
    """Precision, recall and F1 of each class."""
    figures = class_figures(matrix)
    table = pd.DataFrame(
        {
            "class": figures["label"],
            "images": figures["support"],
            **{
                name: [
                    f"{100 * value:.1f} ({100 * low:.0f}–{100 * high:.0f})"
                    for value, low, high in zip(
                        figures[name], figures[f"{name}_low"], figures[f"{name}_high"], strict=True
                    )
                ]
                for name in ("precision", "recall", "f1")
            },
        }
    )
    config: dict[str, Any] = {
        "class": st.column_config.TextColumn("Class", pinned=True),
        "images": st.column_config.NumberColumn("Images", format="%,d", help=f"Of that class in {shown.split}"),
        "precision": st.column_config.TextColumn("Precision", help="Of the images taken for it, how many are of it"),
        "recall": st.column_config.TextColumn("Recall", help="Of the images of it, how many are taken for it"),
        "f1": st.column_config.TextColumn("F1", help="Harmonic mean of the two"),
    }
    st.dataframe(table, hide_index=True, column_config=config, key="classes", height="content")
    st.caption(
        "In %, with the 95 % interval in brackets (Wilson; for F1 Wilson's for the share of right ones among the "
        "images that are of the class or taken for it)."
    )


def calibration(shown: Shown) -> None:
    """Whether the network is right as often as it is sure, as it is and with its temperature."""
    labels, plain = shown.table["label"].to_numpy(), probabilities_of(shown.table)
    fitted_on = shown.run.paths.predictions("validation")
    if not fitted_on.exists():
        st.info("The temperature is fitted on validation, which has not been scored yet.")
        return
    with st.spinner("Fitting the temperature …"):
        temperature = cache.temperature(cache.file_key(fitted_on))
    calibrated = with_temperature(plain, temperature)
    pair = st.grid(2, min_column_width=320)
    for name, probabilities in (("as it is", plain), (f"with temperature {temperature:.2f}", calibrated)):
        error = calibration_error(labels, probabilities)
        title = f"{name.capitalize()}: calibration error {100 * error:.1f} points"
        figure = reliability_chart(reliability(labels, probabilities), title)
        pair.plotly_chart(figure, key=f"reliability-{name[:4]}", config=CHART_CONFIG, alt=title)
    st.caption(
        f"On {shown.split}, {len(labels):,} images. On the line, a network that says 70 % is right 7 times in 10; "
        "below it, it is too sure. The bars are 95 % intervals (Wilson). Calibration error (ECE): mean distance from "
        "the line over 15 ranges of confidence. Temperature: a number that divides the logits, fitted on validation"
        + (", so the right-hand figure flatters itself a little here." if shown.split == "validation" else ".")
    )
