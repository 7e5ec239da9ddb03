"""The confusion matrix of the error analysis: a click on a cell filters the gallery."""

from typing import Any, Final, Literal

import numpy as np
import streamlit as st

from core.labels import LABELS
from core.review.gallery import ANY, ImageFilter
from dashboard.ui.components.matrix import clickable_matrix

Normalization = Literal["None", "Rows (recall)", "Columns (precision)"]
CELLS: Final[dict[Normalization, str]] = {
    "None": "Number of images",
    "Rows (recall)": "% of each true class",
    "Columns (precision)": "% of each predicted class",
}


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
