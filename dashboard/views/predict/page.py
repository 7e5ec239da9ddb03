"""Predict: classify the facial expressions in photos."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.data.decode import FORMAT_NAMES
from core.errors import FerError
from core.prediction.pictures import ImageFile
from core.runs.records import Run
from core.runs.selection import best_run
from dashboard.state import cache, visitor
from dashboard.state.roots import runs_root
from dashboard.ui.faces import dataset_of
from dashboard.ui.format import escape
from dashboard.ui.page import TRAIN_PAGE, empty_state, page_title
from dashboard.ui.runs import choose_id, choose_run, why_default
from dashboard.views.predict.draw import draw_photo
from dashboard.views.predict.models import Model, model_of, model_of_upload
from dashboard.views.predict.table import draw_problems, draw_table
from dashboard.views.predict.uploads import MAX_IMAGES, camera_allowed, uploaded_images
from dashboard.views.predict.work import Result, results

MAX_UPLOAD_MB = 200  # of one file: an image may have 20, a zip of images more


def main() -> None:
    page_title("Predict", "Upload a photo to classify the facial expressions in it.")
    runs = [run for run in cache.runs(runs_root()) if run.has_weights and not run.meta.archived]
    if not runs:
        empty_state(
            "No trained model yet",
            "Once a run has finished its first epoch, you can try its model on your photos here.",
            TRAIN_PAGE,
            "Start a run",
            ":material/play_arrow:",
        )
        return
    models = choose_models(runs)
    image_files, whole, margin = choose_images()
    if not image_files:
        st.caption("Faces are detected, cropped like FER2013 and classified one by one. Photos aren't stored.")
        return
    found = compute(image_files, models, whole, margin)
    draw_problems(found)
    readable = [result for result in found if not result.problem]
    st.session_state[visitor.HAS_PREDICTED] = bool(readable) or st.session_state.get(visitor.HAS_PREDICTED, False)
    if len(readable) == 1:
        draw_photo(readable[0], models)
    elif readable and (chosen := draw_table(readable, models)):
        draw_photo(chosen[0], models, chosen[1])


def choose_models(runs: Sequence[Run]) -> list[Model]:
    """The model to use, and perhaps a second one to compare it with."""
    left, right = st.columns(2, gap="medium")
    with left:
        default = best_run(list(runs))
        run = choose_run(runs, default, "Model")
        if default and run.id == default.id:
            st.caption(why_default(run))
    others = {other.id: other for other in runs if other.id != run.id}
    with right:
        name = {"": "None"} | {other.id: other.name for other in others.values()}
        second = choose_id("Compare with", ["", *others], "", name.__getitem__, "second")
    with right.popover("Upload weights", icon=":material/upload_file:"):
        st.caption(
            "PyTorch weights of CnnModel2 or CnnModel1: .pth, .pt, .ckpt, .bin or .safetensors, alone or inside a "
            "training checkpoint. Loaded safely (weights_only). Replaces the first model."
        )
        # of any type: what a file is, its content tells, and so does the message about one that is refused
        upload = st.file_uploader("Weights", key="weights", max_upload_size=64)
    models = [model_of(run)]
    if upload is not None:
        try:
            with st.spinner("Checking weights…"):
                models = [model_of_upload(upload)]
            st.info(f"Using uploaded weights: {escape(models[0].title)}.", icon=":material/upload_file:")
        except FerError as error:
            st.error(escape(str(error)), icon=":material/error:")
    if second:
        models.append(model_of(others[second]))
    info = dataset_of(run)
    if info and info.kind == "drawn" and models[0].run:
        synthetic = "Trained on synthetic faces only. Predictions on photos aren't meaningful."
        st.warning(synthetic, icon=":material/draw:")
    return models


def choose_images() -> tuple[list[ImageFile], bool, float]:
    """The images to classify, whether to skip face detection, and the crop margin."""
    uploads: list[Any] = list(
        st.file_uploader(
            f"Photos ({FORMAT_NAMES}; or a ZIP of them)",
            accept_multiple_files=True,
            key="photos",
            max_upload_size=MAX_UPLOAD_MB,
        )
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        camera = st.toggle("Use webcam", key="camera")
        whole = st.toggle("Skip face detection (use the full image)", key="whole", bind="query-params")
        margin = st.slider(
            "Crop margin",
            0.7,
            1.5,
            1.0,
            0.05,
            key="margin",
            bind="query-params",
            format="%.2f×",
            disabled=whole,
            width=280,
            help="1.0 matches FER2013 framing; higher includes more context.",
        )
    if camera and not camera_allowed(st.context.url):
        st.info(
            "Browsers allow the camera only over HTTPS or on localhost. Open the dashboard at such an address, or "
            "upload a photo.",
            icon=":material/no_photography:",
        )
    elif camera and (shot := st.camera_input("Webcam", width=480)):
        uploads.insert(0, shot)
    image_files = uploaded_images(uploads)
    if len(image_files) > MAX_IMAGES:
        st.warning(
            f"Only the first {MAX_IMAGES:,} images are processed here. Use `python -m core predict` for more.",
            icon=":material/content_cut:",
        )
    return image_files[:MAX_IMAGES], whole, margin


def compute(image_files: list[ImageFile], models: Sequence[Model], whole: bool, margin: float) -> list[Result]:
    """The predictions of the models, with a progress bar."""
    with st.spinner("Loading model (a few seconds the first time)…"):
        for model in models:
            model.load()
    bar = st.empty()
    found = results(image_files, models, whole, margin, bar.progress)
    bar.empty()
    return found


main()
