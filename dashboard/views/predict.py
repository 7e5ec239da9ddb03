"""Predict: what a trained network says about photos."""

from typing import Any

import streamlit as st

from core.errors import ImageError
from core.labels import LABELS
from core.prediction.uploads import MAX_BYTES, decode_image, to_face
from core.runs.store import Run, best_run, list_runs
from dashboard import cache, charts, widgets
from dashboard.widgets import escape

TYPES = ["jpg", "jpeg", "png", "webp", "bmp", "gif"]


def main() -> None:
    widgets.page_title(
        "Predict", "Upload a photo and see which of the seven expressions a trained network reads in it."
    )
    runs = [run for run in list_runs(widgets.runs_root()) if run.has_weights and not run.meta.archived]
    if not runs:
        widgets.empty_state(
            "No trained network yet",
            "After the first epoch of a run its network can be tried here on photos of your own.",
            widgets.TRAIN,
            "Start a run",
            ":material/play_arrow:",
        )
        return
    run = widgets.choose_run(runs, best_run(runs), "Network")
    megabytes = MAX_BYTES // 10**6
    uploads = st.file_uploader("Photos", TYPES, accept_multiple_files=True, key="photos", max_upload_size=megabytes)
    st.info(
        "The whole photo is shrunk to 48x48 gray pixels, so give a close crop of one face: "
        "forehead to chin, upright, little background.",
        icon=":material/crop:",
    )
    info = widgets.dataset_of(run)
    if info and info.kind == "drawn":
        drawn = "This network has only seen drawn faces: what it says about photographs means little."
        st.warning(drawn, icon=":material/draw:")
    for number, upload in enumerate(uploads):
        with st.container(border=True):
            predict(run, upload, number)


def predict(run: Run, upload: Any, number: int) -> None:
    """One photo: as it came, as the network saw it, and the seven probabilities."""
    st.text(upload.name[:120])
    try:
        photo = decode_image(upload.getvalue(), upload.name)
    except ImageError as error:
        st.error(escape(str(error)), icon=":material/broken_image:")
        return
    face = to_face(photo)
    left, middle, right = st.columns([2, 2, 4], gap="medium")
    with left:
        st.caption("The photo")
        st.image(photo, width=240, alt="the uploaded photo")
    with middle:
        st.caption("What the network saw, 48x48")
        st.image(widgets.enlarged(face, 5), width=240, output_format="PNG", alt="the face as the network saw it")
    with right:
        with st.spinner("Loading the network; the first time takes some seconds …"):
            network = cache.predictor(run.paths.weights, run.config.model if run.config else "cnn-model-2")
        probabilities = network.probabilities(face[None])[0]
        top = int(probabilities.argmax())
        st.markdown(f"### {widgets.class_chip(LABELS[top])} {widgets.percent(float(probabilities[top]))}")
        figure = charts.probability_bars(probabilities.tolist())
        st.plotly_chart(figure, key=f"bars-{number}", config=widgets.CHART_CONFIG)


main()
