"""Why a model sees an expression in a face: its input with Grad-CAM, and the most similar misclassified images."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import streamlit as st

from core.comparison.candidates import has_predictions
from core.labels import LABELS
from core.runs.ensembles import runs_of
from core.splits import VALIDATION
from dashboard.state import cache, predictors
from dashboard.state.roots import data_root
from dashboard.ui.faces import enlarged, face_grid, unchanged_dataset_of
from dashboard.ui.format import class_chip, escape
from dashboard.views.predict.memory import start_again
from dashboard.views.predict.models import Model
from dashboard.views.predict.work import Result

if TYPE_CHECKING:
    from core.prediction.predictor import FacePrediction

SIMILAR_SHOWN: Final = 6
CROP_WIDTH: Final = 144


def grad_cam_of_face(result: Result, models: Sequence[Model], chosen: int) -> None:
    """The model input, and the Grad-CAM heatmap of each model over it."""
    from core.evaluation.grad_cam import heat_over

    first = result.photos[0].faces[chosen]
    order = [LABELS[index] for index in first.ranking]
    start_again("grad-cam", (result.key, chosen, models[0].key), first.label)
    asked = st.selectbox(
        "Grad-CAM for",
        order,
        key="grad-cam",
        width=260,
        help="Regions of the last conv layer that increase this class's score. Brighter = stronger. The mean over all "
        "views and models that are averaged.",
    )
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=CROP_WIDTH):
            st.image(enlarged(first.crop), width=CROP_WIDTH, output_format="PNG", alt="Model input")
            st.caption("Model input (48×48)")
        for model in models:
            heat = model.load().grad_cam(first.crop[None], np.array([LABELS.index(asked)]))[0]
            with st.container(width=CROP_WIDTH):
                over = enlarged(heat_over(first.crop, heat))
                st.image(over, width=CROP_WIDTH, output_format="PNG", alt=f"Grad-CAM: {asked}")
                title = f", {escape(model.title)}" if len(models) > 1 else ""
                st.caption(f"Grad-CAM: {asked}{title}" if heat.any() else f"No positive evidence for {asked}{title}")


def similar_to_face(face: "FacePrediction", model: Model, named: bool) -> None:
    """The misclassified validation images nearest to the face in the model's feature space, where the model has
    validation predictions and this machine the images."""
    candidate = model.candidate
    info = unchanged_dataset_of(runs_of(candidate)[0]) if candidate else None
    if candidate is None or info is None or not has_predictions(candidate, VALIDATION):
        return
    table = cache.predictions_of(candidate, VALIDATION)
    images = cache.split(info.ref(data_root()), VALIDATION).images
    if len(images) != len(table):
        return
    title = f": {escape(model.title)}" if named else ""
    st.markdown(f"**Similar misclassified images{title}**")
    with st.spinner("Searching similar errors (about 10 s the first time)…"):
        from core.evaluation.nearest import joint_features

        misclassified = predictors.misclassified(candidate, info.ref(data_root()), VALIDATION)
        rows, cosines = misclassified.nearest(joint_features(model.load().models, face.crop[None])[0], SIMILAR_SHOWN)
    if not len(rows):
        st.caption("No validation errors.")
        return
    views = " (single view)" if model.flip else ""
    st.caption(f"Misclassified validation images{views} closest in feature space: true → predicted, cosine similarity.")
    true, predicted = (table[column].to_numpy()[rows] for column in ("label", "predicted"))
    captions = [
        f"{class_chip(LABELS[right])} → {class_chip(LABELS[wrong])} {cosine:.2f}"
        for right, wrong, cosine in zip(true, predicted, cosines, strict=True)
    ]
    names = [f"True {LABELS[right]}, predicted {LABELS[wrong]}" for right, wrong in zip(true, predicted, strict=True)]
    face_grid([np.array(images[row]) for row in rows], captions, size=120, names=names)
