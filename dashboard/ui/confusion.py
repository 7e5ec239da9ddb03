"""The confusion matrix and the metrics per class, the same on every page that shows them."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation.per_class import class_metrics
from core.labels import LABELS
from core.review.gallery import SHOWN
from dashboard.ui.components.matrix import clickable_matrix
from dashboard.ui.page import ERRORS_PAGE, go_to
from dashboard.ui.table import show_table

Normalization = Literal["None", "Rows (recall)", "Columns (precision)"]
CELLS: Final[dict[Normalization, str]] = {
    "None": "Number of images",
    "Rows (recall)": "% of each true class",
    "Columns (precision)": "% of each predicted class",
}


def matrix_of_cells(
    matrix: np.ndarray,
    normalize: Normalization,
    key: str,
    *,
    hint: str,
    chosen: tuple[int | None, int | None] = (None, None),
    on_choose: Callable[[], None] | None = None,
    skip: bool = False,
) -> Mapping[str, int | None] | None:
    """A confusion matrix of buttons; what was clicked just now, as `clickable_matrix` gives it.

    Args:
        matrix: (7, 7) counts, row = true class.
        normalize: what the cells say.
        key: of the part.
        hint: what a click does.
        chosen: row and column of the cell that is selected, None for a whole row or column, or for none.
        on_choose: called before the page is drawn again.
        skip: offer keyboards the way to the wall of images on the same page.
    """
    return clickable_matrix(
        {
            "labels": list(LABELS),
            "rows": "true",
            "columns": "predicted",
            "caption": f"{CELLS[normalize]}. Rows: true class, columns: predicted. {hint}",
            "cells": cells(matrix, normalize),
            "chosen": list(chosen),
            "skip": skip,
        },
        key=key,
        on_choose=on_choose,
    )


def linked_matrix(matrix: np.ndarray, run_id: str, split: str, key: str) -> None:
    """A row-normalized confusion matrix of a run whose cells open their images in the error analysis."""
    clicked = matrix_of_cells(matrix, "Rows (recall)", key, hint="Click a cell to see its images.")
    if clicked is None:
        return
    row, column = clicked["row"], clicked["column"]
    query = {"run": run_id, "split": split}
    if row is not None:
        query["true"] = LABELS[row]
    if column is not None:
        query["predicted"] = LABELS[column]
    if row is not None and column is not None:
        query["show"] = SHOWN["all"]
    go_to(ERRORS_PAGE, **query)


def cells(matrix: np.ndarray, normalize: Normalization) -> list[list[dict[str, Any]]]:
    """Text of each cell, its shade (fraction of the true class, 0..1, or of the predicted one), and its name, which
    contains the text."""
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
                f"{100 * fraction[i, j]:.0f}% {whole.format(LABELS[j if axis == 0 else i])}",
            }
            for j in range(len(LABELS))
        ]
        for i in range(len(LABELS))
    ]


def per_class_table(matrix: np.ndarray, key: str, *, intervals: bool = True) -> None:
    """Precision, recall and F1 of each class as numbers that can be sorted, and with `intervals` their 95% CIs.

    Args:
        matrix: (7, 7) counts, row = true class.
        key: of the table.
        intervals: whether there is room for them.
    """
    metrics = class_metrics(matrix)
    helps = {
        "precision": "TP / (TP + FP): fraction of predictions of this class that are correct",
        "recall": "TP / (TP + FN): fraction of this class that is predicted correctly",
        "f1": "Harmonic mean of precision and recall",
    }
    table = pd.DataFrame({"class": metrics["label"], "support": metrics["support"]})
    config: dict[str, Any] = {
        "class": st.column_config.TextColumn("Class", pinned=True, width=84),
        "support": st.column_config.NumberColumn("Support", format="%,d", width=72, help="Images of this class"),
    }
    for name, help in helps.items():
        table[name] = 100 * metrics[name]
        config[name] = st.column_config.ProgressColumn(
            name.capitalize(), format="%.1f%%", min_value=0, max_value=100, width=124 if intervals else 100, help=help
        )
        if intervals:
            ends = zip(100 * metrics[f"{name}_low"], 100 * metrics[f"{name}_high"], strict=True)
            table[f"{name}_interval"] = [f"{low:.0f}–{high:.0f}%" for low, high in ends]
            config[f"{name}_interval"] = st.column_config.TextColumn(
                "95% CI", width=84, help="Wilson; for F1 derived from TP / (TP + FP + FN)"
            )
    show_table(table, hide_index=True, column_config=config, key=key, height="content", width="content")
