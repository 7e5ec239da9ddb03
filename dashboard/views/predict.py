"""Predict: what a trained network says about photos."""

from typing import Any

import streamlit as st

from core.errors import ImageError
from core.prediction.uploads import MAX_BYTES, decode_image
from core.runs.store import Run, best_run
from dashboard import cache, charts, widgets
from dashboard.widgets import escape

TYPES = ["jpg", "jpeg", "png", "webp", "bmp", "gif"]


def main() -> None:
    widgets.page_title(
        "Predict", "Upload a photo and see which of the seven expressions a trained network reads in it."
    )
    runs = [run for run in cache.runs(widgets.runs_root()) if run.has_weights and not run.meta.archived]
    if not runs:
        widgets.empty_state(
            "No trained network yet",
            "After the first epoch of a run its network can be tried here on photos of your own.",
            widgets.TRAIN,
            "Start a run",
            ":material/play_arrow:",
        )
        return
    default = best_run(runs)
    run = widgets.choose_run(runs, default, "Network")
    if default and run.id == default.id:
        st.caption(widgets.why_default(run))
    megabytes = MAX_BYTES // 10**6
    uploads = st.file_uploader("Photos", TYPES, accept_multiple_files=True, key="photos", max_upload_size=megabytes)
    switch, slider = st.columns([2, 3], gap="large", vertical_alignment="center")
    whole = switch.toggle("Take the whole photo as one face", key="whole", bind="query-params")
    margin = slider.slider(
        "Frame around a face, times that of FER2013", 0.7, 1.5, 1.0, 0.05, key="margin", disabled=whole
    )
    if not uploads:
        st.caption("Each face on a photo is found, cut out as FER2013's images are, and read by itself.")
    info = widgets.dataset_of(run)
    if info and info.kind == "drawn":
        drawn = "This network has only seen drawn faces: what it says about photographs means little."
        st.warning(drawn, icon=":material/draw:")
    for number, upload in enumerate(uploads):
        with st.container(border=True):
            predict(run, upload, number, whole, margin)


def predict(run: Run, upload: Any, number: int, whole: bool, margin: float) -> None:
    """One photo: as it came, with its faces; the chosen face as the network saw it, and the seven probabilities."""
    st.text(upload.name[:120])
    try:
        photo = decode_image(upload.getvalue(), upload.name)
    except ImageError as error:
        st.error(escape(str(error)), icon=":material/broken_image:")
        return
    with st.spinner("Loading the network; the first time takes some seconds …"):
        network = cache.predictor(run.paths.weights, run.config.model if run.config else "cnn-model-2")
    said = network.predict(photo, whole=whole, margin=margin)
    left, middle, right = st.columns([3, 2, 4], gap="medium")
    with left:
        several = len(said.faces) > 1
        st.caption(f"The photo, with {len(said.faces)} faces" if several else "The photo")
        boxes = [face.box for face in said.faces] if said.taken == "faces" else []
        st.image(widgets.with_boxes(photo, boxes), width=360, alt="the uploaded photo")
        chosen = choose_face(len(said.faces), number) if several else 0
    face = said.faces[chosen]
    with middle:
        st.caption(f"What the network saw of face {chosen + 1}, 48x48" if several else "What the network saw, 48x48")
        st.image(widgets.enlarged(face.crop, 5), width=240, output_format="PNG", alt="the face as the network saw it")
        if said.taken == "no face found":
            st.warning("No face was found, so the whole photo was taken as one.", icon=":material/search_off:")
        elif said.taken != "faces":
            st.caption("The whole picture was taken as one face.")
    with right:
        st.markdown(f"### {widgets.class_chip(face.label)} {widgets.percent(float(face.probabilities.max()))}")
        figure = charts.probability_bars(face.probabilities.tolist())
        st.plotly_chart(figure, key=f"bars-{number}", config=widgets.CHART_CONFIG)


def choose_face(count: int, number: int) -> int:
    """Which of several faces to look at, by its number on the photo, from 0."""
    options = range(1, count + 1)
    chosen = st.pills("Face", options, default=1, required=True, key=f"face-{number}", label_visibility="collapsed")
    return int(chosen or 1) - 1


main()
