"""The Calibration tab of the error analysis: reliability diagrams and ECE, uncalibrated and temperature-scaled."""

import streamlit as st

from core.evaluation.metrics import calibration_error, with_temperature
from core.evaluation.per_class import reliability
from core.evaluation.predictions import probabilities_of
from dashboard.state import cache
from dashboard.ui.charts.reliability import reliability_chart
from dashboard.ui.charts.style import CHART_CONFIG
from dashboard.views.errors.shown import Shown


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
