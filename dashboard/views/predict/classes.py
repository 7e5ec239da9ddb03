"""What the models predict for one face: its classes with their probabilities."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.evaluation.metrics import LOW_CONFIDENCE
from dashboard.state import cache
from dashboard.ui.charts.bars import bars_text, probability_bars
from dashboard.ui.charts.style import CHART_CONFIG
from dashboard.ui.format import class_chip, escape, percent
from dashboard.views.predict.models import Model

if TYPE_CHECKING:
    from core.prediction.predictor import FacePrediction


def draw_predictions(faces: Sequence["FacePrediction"], models: Sequence[Model]) -> None:
    """What each model predicts for one face."""
    if faces[0].no_face:
        st.markdown("## :material/search_off: No face detected")
    for column, model, face in zip(st.columns(len(models), gap="medium"), models, faces, strict=True):
        with column:
            if len(models) > 1:
                st.markdown(f"**{escape(model.title)}**")
            _prediction(face, model)
    names = [model.title for model in models] if len(models) > 1 else []
    figure = probability_bars(*(face.probabilities.tolist() for face in faces), names=names)
    st.plotly_chart(figure, key="class-probabilities", config=CHART_CONFIG, alt=bars_text(figure))
    for column, model, face in zip(st.columns(len(models), gap="medium"), models, faces, strict=True):
        column.caption(_calibration(face, model))


def _prediction(face: "FacePrediction", model: Model) -> None:
    """Label, confidence and runner-up, with a warning on low confidence."""
    label = f"{class_chip(face.label)} {percent(face.confidence, 0)}"
    second = f"2nd: {class_chip(face.runner_up)} {percent(float(np.sort(face.probabilities)[-2]), 0)}"
    if face.no_face:
        st.markdown(f"The full image was classified instead, with low confidence: {label}, {second}")
        return
    st.markdown(f"## {label}")
    st.markdown(second)
    if face.low_confidence:
        st.warning(
            f"Low confidence (< {percent(LOW_CONFIDENCE, 0)}).{_low_confidence_rates(model)}", icon=":material/help:"
        )


def _calibration(face: "FacePrediction", model: Model) -> str:
    """What the probabilities are, as a sentence."""
    if model.temperature is None:
        return "Uncalibrated probabilities."
    plain, shown = percent(float(face.uncalibrated.max()), 0), percent(face.confidence, 0)
    before = "" if plain == shown else f"; {plain} before calibration"
    return f"Calibrated (T = {model.temperature:.2f}{before})."


def _low_confidence_rates(model: Model) -> str:
    """How often such predictions are correct, where the run has validation predictions."""
    if model.run is None or model.temperature is None:
        return ""
    predictions = model.run.paths.predictions("validation")
    if not predictions.exists():
        return ""
    _, below, above = cache.low_confidence(cache.file_key(predictions), model.temperature)
    return (
        f" On validation, low-confidence predictions are {percent(below, 0)} correct, all others {percent(above, 0)}."
    )
