"""Predict: what a trained network says about photos."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

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
from dashboard.views.predict import draw
from dashboard.views.predict.work import (
    MAX_PICTURES,
    Network,
    Result,
    network_of,
    network_of_upload,
    pictures_of,
    results,
)

MAX_UPLOAD_MB = 200  # of one file: a picture may have 20, a zip file of pictures more


def main() -> None:
    page_title("Predict", "Upload a photo and see which of the seven expressions a trained network reads in it.")
    runs = [run for run in cache.runs(runs_root()) if run.has_weights and not run.meta.archived]
    if not runs:
        empty_state(
            "No trained network yet",
            "After the first epoch of a run its network can be tried here on photos of your own.",
            TRAIN_PAGE,
            "Start a run",
            ":material/play_arrow:",
        )
        return
    networks = choose_networks(runs)
    pictures, whole, margin = choose_pictures()
    if not pictures:
        st.caption(
            "Each face on a photo is found, cut out as FER2013's images are, and read by itself. Photos are kept only "
            "as long as this page is open."
        )
        return
    found = compute(pictures, networks, whole, margin)
    draw.draw_problems(found)
    readable = [result for result in found if not result.problem]
    st.session_state[visitor.HAS_PREDICTED] = bool(readable) or st.session_state.get(visitor.HAS_PREDICTED, False)
    if len(readable) == 1:
        draw.draw_photo(readable[0], networks)
    elif readable and (chosen := draw.draw_table(readable, networks)):
        draw.draw_photo(chosen[0], networks, chosen[1])


def choose_networks(runs: Sequence[Run]) -> list[Network]:
    """The network to ask, and perhaps a second one to compare it with."""
    left, right = st.columns(2, gap="medium")
    with left:
        default = best_run(list(runs))
        run = choose_run(runs, default, "Network")
        if default and run.id == default.id:
            st.caption(why_default(run))
    others = {other.id: other for other in runs if other.id != run.id}
    with right:
        name = {"": "–"} | {other.id: other.name for other in others.values()}
        second = choose_id("Compare with", ["", *others], "", name.__getitem__, "second")
    with right.popover("Weights of your own", icon=":material/upload_file:"):
        st.caption(
            "A .pth with the state dict of CnnModel2 or CnnModel1, named as in the original project. Nothing in it is "
            "run. It takes the first network's place."
        )
        upload = st.file_uploader("Weights", ["pth", "pt"], key="weights", max_upload_size=64)
    networks = [network_of(run)]
    if upload is not None:
        try:
            with st.spinner("Checking the weights …"):
                networks = [network_of_upload(upload)]
            st.info(f"Predictions are by your weights, {escape(networks[0].title)}.", icon=":material/upload_file:")
        except FerError as error:
            st.error(escape(str(error)), icon=":material/error:")
    if second:
        networks.append(network_of(others[second]))
    info = dataset_of(run)
    if info and info.kind == "drawn" and networks[0].run:
        drawn = "This network has only seen drawn faces: what it says about photographs means little."
        st.warning(drawn, icon=":material/draw:")
    return networks


def choose_pictures() -> tuple[list[ImageFile], bool, float]:
    """The pictures to look at, whether to take them whole, and how wide to cut."""
    uploads: list[Any] = list(
        st.file_uploader(
            "Photos: JPEG, PNG, WebP, BMP, GIF, or zip files of them",
            accept_multiple_files=True,
            key="photos",
            max_upload_size=MAX_UPLOAD_MB,
        )
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        camera = st.toggle("Use the camera", key="camera")
        whole = st.toggle("Take the whole photo as one face", key="whole", bind="query-params")
        margin = st.slider(
            "Frame around each face",
            0.7,
            1.5,
            1.0,
            0.05,
            key="margin",
            bind="query-params",
            format="%.2f ×",
            disabled=whole,
            width=280,
            help="1 cuts as FER2013's images are cut; more takes in more of what is around the face.",
        )
    if camera and (shot := st.camera_input("Picture from the camera", width=480)):
        uploads.insert(0, shot)
    pictures = pictures_of(uploads)
    if len(pictures) > MAX_PICTURES:
        st.warning(
            f"Only the first {MAX_PICTURES:,} pictures are taken here. `python -m core predict` takes any number.",
            icon=":material/content_cut:",
        )
    return pictures[:MAX_PICTURES], whole, margin


def compute(pictures: list[ImageFile], networks: Sequence[Network], whole: bool, margin: float) -> list[Result]:
    """What the networks say, with the progress shown where there is some."""
    with st.spinner("Loading the network; the first time takes some seconds …"):
        for network in networks:
            network.load()
    bar = st.empty()
    found = results(pictures, networks, whole, margin, lambda share, text: bar.progress(share, text))
    bar.empty()
    return found


main()
