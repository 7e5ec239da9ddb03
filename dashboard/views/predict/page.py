"""Predict: classify the facial expressions in photos."""

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from core.data.decode import FORMAT_NAMES, MAX_IMAGE_BYTES
from core.errors import display_name
from core.exchange.intended_use import INTENDED_USE
from core.prediction.pictures import ImageFile
from dashboard.state import cache, visitor
from dashboard.state.roots import runs_root
from dashboard.ui.format import escape
from dashboard.ui.page import TRAIN_PAGE, empty_state, page_title
from dashboard.ui.runs import offered
from dashboard.ui.samples import sample_gallery, sample_image
from dashboard.views.predict.draw import draw_photo
from dashboard.views.predict.options import Options, choose_model, choose_options
from dashboard.views.predict.several import draw_several
from dashboard.views.predict.table import draw_problems
from dashboard.views.predict.uploads import (
    ARCHIVES,
    MAX_IMAGES,
    PHOTOS,
    WEBCAM,
    choose_sample,
    chosen_sample,
    forget_kept,
    kept_uploads,
    remember,
    uploaded_images,
)
from dashboard.views.predict.webcam import webcam
from dashboard.views.predict.work import Result, results

NAMES_SHOWN: Final = 3
"""Photos of an earlier visit whose names are shown."""


def main() -> None:
    page_title("Predict", "Classify the facial expressions in your photos, or in a sample image.")
    classify_photos()
    st.caption(INTENDED_USE)


def classify_photos() -> None:
    """Model, photos, and what the model says of them."""
    with_weights = [run for run in cache.runs(runs_root()) if run.has_weights]
    if not with_weights:
        empty_state(
            "No trained model yet",
            "Once a run has finished its first epoch, you can try its model on your photos here.",
            TRAIN_PAGE,
            "Start a run",
            ":material/play_arrow:",
        )
        return
    runs, ensembles = offered(with_weights, "run", "second"), cache.ensembles(runs_root())
    left, right = st.columns([3, 2], gap="large")
    with right:
        chosen = choose_model(runs, ensembles)
    options = choose_options([*(each for each in ensembles if not each.problem), *runs], chosen)
    with left:
        uploads, kept = upload_photos(options.archives)
    image_files = choose_images(uploads, kept)
    if not image_files:
        return
    found = compute(image_files, options)
    draw_problems(found)
    readable = [result for result in found if not result.problem]
    st.session_state[visitor.HAS_PREDICTED] = bool(readable) or st.session_state.get(visitor.HAS_PREDICTED, False)
    if len(readable) == 1:
        draw_photo(readable[0], options.models)
    elif readable:
        draw_several(readable, options.models)


def upload_photos(archives: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The visitor's uploads and the photo of the webcam; and those of earlier visits to the page.

    Args:
        archives: large ZIP files that were uploaded.
    """
    photos = st.file_uploader(
        "Drop photos here, or a ZIP of photos",
        accept_multiple_files=True,
        key=PHOTOS,
        max_upload_size=MAX_IMAGE_BYTES // 10**6,
        on_change=remember,
        args=(PHOTOS,),
        help=f"{FORMAT_NAMES}. A larger ZIP can be uploaded under Options.",
    )
    shown: dict[str, Sequence[Any]] = {WEBCAM: webcam(), PHOTOS: photos, ARCHIVES: archives}
    kept = kept_uploads(shown)
    if kept:
        _offer_to_remove(kept)
    return [upload for part in shown.values() for upload in part], kept


def choose_images(uploads: Sequence[Any], kept: Sequence[Any]) -> list[ImageFile]:
    """The images to classify: those of the visitor, or else a sample."""
    sample = "" if uploads else chosen_sample()
    if sample or not (uploads or kept):
        if not sample:
            st.caption("No photo at hand? Click a sample image:")
        height = 64 if sample else 150  # the prediction is to be in sight
        sample_gallery("samples", on_choose=choose_sample, selected=sample, height=height, captions=not sample)
    if sample:
        return [sample_image(sample)]
    image_files = uploaded_images([*kept, *uploads])
    if not image_files:
        st.caption(
            "Faces are detected, cropped like FER2013 and classified one by one. Photos aren't stored: the server "
            "forgets them when you close the page."
        )
    if len(image_files) > MAX_IMAGES:
        st.warning(
            f"Only the first {MAX_IMAGES:,} images are processed here. Use `python -m core predict` for more.",
            icon=":material/content_cut:",
        )
    return image_files[:MAX_IMAGES]


def _offer_to_remove(kept: Sequence[Any]) -> None:
    """Name the photos of earlier visits to the page."""
    names = ", ".join(display_name(upload.name) for upload in kept[:NAMES_SHOWN])
    more = f" and {len(kept) - NAMES_SHOWN:,} more" if len(kept) > NAMES_SHOWN else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"Still here from before: {escape(names)}{more}", width="content")
        st.button("Remove", icon=":material/close:", type="tertiary", key="remove-kept", on_click=forget_kept)


def compute(image_files: list[ImageFile], options: Options) -> list[Result]:
    """The predictions of the models, with a progress bar."""
    with st.spinner("Loading model (a few seconds the first time)…"):
        for model in options.models:
            model.load()
    bar = st.empty()
    found = results(image_files, options.models, options.whole, options.margin, bar.progress)
    bar.empty()
    return found


main()
