"""What the models predict for one face: its classes with their probabilities."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.evaluation.metrics import LOW_CONFIDENCE
from dashboard.state import predictors
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
    views = " Averaged over the face and its flip." if model.flip else ""
    several = len(model.temperatures) > 1
    if not any(model.temperatures):
        return f"{f'Mean of {len(model.temperatures)} models, u' if several else 'U'}ncalibrated probabilities.{views}"
    plain, shown = percent(float(face.uncalibrated.max()), 0), percent(face.confidence, 0)
    before = "" if plain == shown else f"; {plain} before calibration"
    fitted = ", ".join("none" if each is None else f"{each:.2f}" for each in model.temperatures)
    kind = f"Mean of {len(model.temperatures)} models, each calibrated" if several else "Calibrated"
    return f"{kind} (T = {fitted}{before}).{views}"


def _low_confidence_rates(model: Model) -> str:
    """How often such predictions are correct, where there are validation predictions."""
    rates = predictors.low_confidence(model.candidate) if model.candidate and any(model.temperatures) else None
    if rates is None:
        return ""
    views = " (single view)" if model.flip else ""
    return (
        f" On validation{views}, low-confidence predictions are {percent(rates[1], 0)} correct, all others "
        f"{percent(rates[2], 0)}."
    )
