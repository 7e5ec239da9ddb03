"""The confusion matrix of the error analysis: a click on a cell filters the gallery."""

import numpy as np
import streamlit as st

from core.labels import LABELS
from core.review.gallery import ANY, ImageFilter
from dashboard.ui.components.wall import reveal_next
from dashboard.ui.confusion import CELLS, Normalization, matrix_of_cells


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
    true, predicted = (LABELS.index(label) if label in LABELS else None for label in (wanted.true, wanted.predicted))
    matrix_of_cells(
        matrix,
        normalize,
        "matrix",
        hint="Click a cell to see its images.",
        chosen=(true, predicted),
        on_choose=choose_cell,
        skip=True,
    )


def choose_cell() -> None:
    """Set the filters, which are in the address, to what was clicked. The images of a cell are all correct or all
    misclassified, so both are shown; without a cell the gallery goes back to the misclassified ones."""
    chosen = st.session_state["matrix"]["chosen"] or {}
    row, column = chosen.get("row"), chosen.get("column")
    st.session_state["true"] = ANY if row is None else LABELS[row]
    st.session_state["predicted"] = ANY if column is None else LABELS[column]
    st.session_state["show"] = "wrong" if row is None or column is None else "all"
    reveal_next()
