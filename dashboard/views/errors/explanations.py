"""Why a model predicts what it does for an image: Grad-CAM, and the misclassified images most similar to it."""

from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from core.labels import LABELS
from dashboard.state import predictors
from dashboard.state.roots import data_root
from dashboard.ui.faces import face_grid, predicted_faces
from dashboard.views.errors.shown import Shown, shown_of

NEAREST_SHOWN: Final = 8


def draw_heatmaps(shown: Shown, row: pd.Series) -> None:
    """Grad-CAM of the predicted and of the true class."""
    with st.spinner("Computing Grad-CAM…", show_time=True):
        heat = heatmaps(shown, row)
    face_grid([over for over, _ in heat], [words for _, words in heat], names=[words for _, words in heat])
    st.caption("Grad-CAM on the last conv layer: bright regions increase the class score.")


def heatmaps(shown: Shown, row: pd.Series) -> list[tuple[np.ndarray, str]]:
    """uint8 (48, 48, 3) images with the class they are about."""
    from core.evaluation.grad_cam import grad_cam, heat_over

    assert shown.images is not None
    predictor = predictors.predictor(shown.run)
    pixels = shown.images[row["index"]]
    asked = {"predicted": int(row["predicted"]), "true": int(row["label"])}
    if len(set(asked.values())) == 1:
        asked.pop("true")
    heat = grad_cam(predictor.model, np.stack([pixels] * len(asked)), np.array(list(asked.values())))
    return [
        (heat_over(pixels, heat[n]), f"{words.capitalize()}: {LABELS[label]}")
        for n, (words, label) in enumerate(asked.items())
    ]


def similar_errors(shown: Shown, row: pd.Series) -> None:
    """The misclassified validation images nearest to this one in feature space."""
    validation = shown_of(shown.run, "validation")
    if validation is None or validation.info is None or validation.images is None:
        st.caption("Needs validation predictions, which aren't available yet.")
        return
    with st.spinner("Searching similar errors (about 10 s the first time)…", show_time=True):
        from core.evaluation.nearest import features

        assert shown.images is not None
        predictor = predictors.predictor(shown.run)
        misclassified = predictors.misclassified(shown.run, validation.info.ref(data_root()), "validation")
        query = features(predictor.model, shown.images[[row["index"]]])[0]
        own = int(row["index"]) if shown.data_split == "validation" else None
        found, cosines = misclassified.nearest(query, NEAREST_SHOWN, own)
    by_index = validation.table.set_index("index", drop=False)
    predicted_faces(validation.images, by_index.loc[found], "similar-errors")
    st.caption(
        f"Misclassified validation images, nearest in feature space (cosine {cosines.max():.2f}–{cosines.min():.2f})."
        if len(found)
        else "No validation errors."
    )
