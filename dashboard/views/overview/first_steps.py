"""The first steps of a new user, on the Overview until a run was started here."""

from typing import NamedTuple

import streamlit as st

from core.data.dataset import DatasetInfo
from core.runs.paths import is_shipped
from core.runs.records import Run
from dashboard.state import visitor
from dashboard.ui.page import DATA_PAGE, PREDICT_PAGE, TRAIN_PAGE, go_to
from dashboard.ui.samples import PARAMETER, sample_gallery


class Step(NamedTuple):
    """One of the first steps, and the page where it is done."""

    title: str
    text: str
    done: bool
    page: str
    label: str


def first_steps(runs: list[Run], datasets: list[DatasetInfo]) -> None:
    """The first steps of a new user, with those that are done marked."""
    trained = any(run.has_weights for run in runs)  # the shipped reference run has weights, unless it was deleted
    get = Step(
        "Get FER2013",
        "Download from Kaggle with your API token, import a local copy, or generate the synthetic demo dataset in "
        "seconds.",
        bool(datasets),
        DATA_PAGE,
        "Add data",
    )
    start = Step(
        "Start your first run",
        "Pick a preset and a dataset, then watch the training curves live.",
        any_own(runs),
        TRAIN_PAGE,
        "Open Train",
    )
    predict = Step(
        "Try a prediction",
        "Click a sample image, or upload a photo: faces are detected and each expression is classified."
        if trained
        else "Upload a photo: faces are detected and each expression is classified.",
        bool(st.session_state.get(visitor.HAS_PREDICTED)),
        PREDICT_PAGE,
        "Open Predict",
    )
    steps = [predict, get, start] if trained else [get, start, predict]
    current = next((step for step in steps if not step.done), None)
    st.header("Get started", anchor=False)
    grid = st.grid(3, min_column_width=260)
    for number, step in enumerate(steps, 1):
        with grid.container(border=True, height="stretch", vertical_alignment="distribute"):  # buttons on one line
            with st.container():
                if step.done:
                    st.badge("Done", icon=":material/check_circle:", color="green")
                else:
                    st.badge(f"Step {number}", color="blue" if step is current else "gray")
                st.markdown(f"**{step.title}**  \n{step.text}")
                if step is predict and trained:
                    _try_a_sample()
            if st.button(step.label, key=f"step-{number}", type="primary" if step is current else "secondary"):
                go_to(step.page)


def _try_a_sample() -> None:
    if name := sample_gallery("first-sample", count=3, height=60, captions=False):
        go_to(PREDICT_PAGE, **{PARAMETER: name})


def any_own(runs: list[Run]) -> bool:
    """Whether any run was started here; the shipped ones do not count."""
    return not all(is_shipped(run.id) for run in runs)
