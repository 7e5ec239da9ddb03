"""What a prediction is made with: the model, and what few people need, in an expander."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import streamlit as st

from core.errors import FerError
from core.runs.ensembles import Candidate, Ensemble, runs_of
from core.runs.records import Run
from core.runs.selection import best_run
from dashboard.ui.faces import dataset_of
from dashboard.ui.format import escape
from dashboard.ui.runs import choose_id, in_a_list, why_default
from dashboard.views.predict.models import Model, model_of, model_of_upload
from dashboard.views.predict.uploads import ARCHIVES, remember

MAX_ARCHIVE_MB: Final = 200

_IN_THE_ADDRESS: Final = ("second", "flip-tta", "whole", "margin")
_OPEN: Final = "predict-options-open"


class Options(NamedTuple):
    """How predictions are made."""

    models: list[Model]
    """One or two."""
    whole: bool
    """Skip face detection."""
    margin: float
    """Crop margin; 1 matches FER2013 framing."""
    archives: list[Any]
    """Large ZIP files of photos."""


def choose_model(runs: Sequence[Run], ensembles: Sequence[Ensemble]) -> Candidate:
    """The run or ensemble whose model is used."""
    default = best_run(list(runs))
    candidates: list[Candidate] = [*ensembles, *runs]
    by_id = {each.id: each for each in candidates}
    chosen = by_id[choose_id("Model", list(by_id), (default or runs[0]).id, lambda name: in_a_list(by_id[name]), "run")]
    if isinstance(chosen, Ensemble):
        describe_ensemble(chosen)
    elif default and chosen.id == default.id:
        st.caption(why_default(chosen))
    info = dataset_of(runs_of(chosen)[0])
    if info and info.kind == "drawn":
        synthetic = "Trained on synthetic faces only. Predictions on photos aren't meaningful."
        st.warning(synthetic, icon=":material/draw:")
    return chosen


def describe_ensemble(ensemble: Ensemble) -> None:
    """Its members; where it cannot be used, why, and the page ends."""
    if ensemble.problem:
        st.error(escape(ensemble.problem), icon=":material/error:")
        st.stop()
    st.caption(f"Mean of {len(ensemble.runs)} runs: {escape(', '.join(run.name for run in ensemble.runs))}")


def choose_options(candidates: Sequence[Candidate], chosen: Candidate) -> Options:
    """What few people need, in an expander, which is open where the address has some of it.

    Args:
        candidates: runs and ensembles that can predict.
        chosen: the one that was chosen, which uploaded weights take the place of.
    """
    is_open = st.session_state.setdefault(_OPEN, any(name in st.query_params for name in _IN_THE_ADDRESS))
    with st.expander("Options", icon=":material/tune:", expanded=is_open):
        models, crops, weights, zips = st.columns(4, gap="medium")
    others = {other.id: other for other in candidates if other.id != chosen.id}
    name = {"": "None"} | {other.id: other.name for other in others.values()}
    with models:
        second = choose_id("Compare with", ["", *others], "", name.__getitem__, "second", may_change=True)
        flip = st.toggle(
            "Flip TTA",
            value=True,
            key="flip-tta",
            bind="query-params",
            help="Average over each face and its horizontal flip: more accurate, at little more time.",
        )
    with crops:
        margin_place = st.container()
        whole = st.toggle(
            "Skip face detection", key="whole", bind="query-params", help="The full image is the model input."
        )
    margin = margin_place.slider(
        "Crop margin",
        0.7,
        1.5,
        1.0,
        0.05,
        key="margin",
        bind="query-params",
        format="%.2f×",
        disabled=whole,
        help="1.0 matches FER2013 framing; higher includes more context.",
    )
    # of any type: what a file is, its content tells, and so does the message about one that is refused
    upload = weights.file_uploader(
        "Upload weights",
        key="weights",
        max_upload_size=64,
        help="PyTorch weights of CnnModel2 or CnnModel1: .pth, .pt, .ckpt, .bin or .safetensors, alone or inside a "
        "training checkpoint. Loaded safely (weights_only). Replaces the model above.",
    )
    archives = zips.file_uploader(
        "Upload large ZIP of photos",
        accept_multiple_files=True,
        key=ARCHIVES,
        max_upload_size=MAX_ARCHIVE_MB,
        on_change=remember,
        args=(ARCHIVES,),
    )
    model = _of_weights(upload, flip=flip) or model_of(chosen, flip=flip)
    return Options([model, *([model_of(others[second], flip=flip)] if second else [])], whole, margin, archives)


def _of_weights(upload: Any, *, flip: bool) -> Model | None:
    """The model of uploaded weights; None where there are none, or, with an error shown, they cannot be used."""
    if upload is None:
        return None
    try:
        with st.spinner("Checking weights…"):
            model = model_of_upload(upload, flip=flip)
    except FerError as error:
        st.error(escape(str(error)), icon=":material/error:")
        return None
    st.info(f"Using uploaded weights: {escape(model.title)}.", icon=":material/upload_file:")
    return model
