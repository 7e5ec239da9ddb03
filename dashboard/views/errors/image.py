"""One image of the error analysis: its prediction, reviews, duplicates, Grad-CAM, and similar errors."""

from itertools import islice
from typing import Final

import pandas as pd
import streamlit as st

from core.data.audit import Audit, audit_dataset
from core.evaluation.predictions import PROBABILITY_COLUMNS
from core.labels import LABELS
from core.review.draft import same_data
from core.runs.records import Run
from core.splits import HELD_OUT
from dashboard.state import cache
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.charts.bars import bars_text, probability_bars
from dashboard.ui.charts.style import CHART_CONFIG
from dashboard.ui.faces import enlarged
from dashboard.ui.format import class_chip, escape, percent
from dashboard.views.errors import label_review
from dashboard.views.errors.explanations import draw_heatmaps, similar_errors
from dashboard.views.errors.shown import Shown

OTHER_RUNS: Final = 6
"""How many other runs' predictions of an image are shown."""


def face_and_probabilities(shown: Shown, row: pd.Series) -> None:
    """The face, what it is labelled and predicted as, and the probabilities of all classes."""
    pixels = shown.images
    assert pixels is not None  # without images nothing can be opened
    left, right = st.columns([2, 3], gap="medium")
    with left:
        st.image(enlarged(pixels[row["index"]]), width=192, output_format="PNG", alt=row["image_id"])
        predicted = f"{class_chip(LABELS[row['predicted']])} {percent(row['confidence'])}"
        st.markdown(f"True {class_chip(LABELS[row['label']])} · predicted {predicted}")
        st.caption(f"Loss {row['loss']:.2f} · margin {percent(row['margin'])}")
    figure = probability_bars(row[PROBABILITY_COLUMNS].to_numpy(float).tolist())
    right.plotly_chart(figure, key="image-probabilities", config=CHART_CONFIG, alt=bars_text(figure))


def details(shown: Shown, row: pd.Series) -> None:
    """Earlier reviews, duplicates, other runs, and on request Grad-CAM and similar errors."""
    image = row["image_id"]
    if len({review.opinion for review in shown.current_reviews.get(image, {}).values()}) > 1:
        st.warning("Reviewers disagree on this image.", icon=":material/group:")
    label_review.label_history(
        [
            review
            for review in cache.label_reviews(shown.run.paths)
            if (review.split, review.image) == (shown.data_split, image)
        ]
    )
    draw_copies(shown, row)
    other_runs(shown, image)
    if shown.run.has_weights and shown.run.config:
        with st.container(horizontal=True):
            with_heatmaps = st.toggle("Grad-CAM", key="image-grad-cam", persist_state="session")
            with_similar = st.toggle("Similar errors", key="image-nearest", persist_state="session")
        if with_heatmaps:
            draw_heatmaps(shown, row)
        if with_similar:
            similar_errors(shown, row)


def draw_copies(shown: Shown, row: pd.Series) -> None:
    """The other copies of the image, and their labels."""
    if shown.info is None:
        return
    audit = audit_dataset(data_root(), shown.info.name)
    for groups, words in ((audit.duplicates, "Exact duplicate"), (audit.near, "Near-duplicate")):
        others = places(audit, groups, shown.data_split, int(row["index"]))
        if others:
            split = {name: cache.split(shown.info.ref(data_root()), name) for name in {name for name, _ in others}}
            found = ", ".join(
                f"{class_chip(LABELS[split[name].labels[index]])} in {name}" for name, index in others[:8]
            )
            st.markdown(f":small[:material/content_copy: {words}: {found}]")


def places(audit: Audit, groups: list[list[int]], split: str, index: int) -> list[tuple[str, int]]:
    """The other images of the group that this one is in."""
    for group in groups:
        located = [audit.locate(position) for position in group]
        if (split, index) in located:
            return [place for place in located if place != (split, index)]
    return []


def other_runs(shown: Shown, image: str) -> None:
    """The predictions of the newest other runs."""
    predicted = []
    for run in comparable_runs(shown):
        table = cache.predictions(run.paths.predictions(shown.split))
        found = table[table["image_id"] == image].to_dict("records") if table is not None else []
        predicted += [
            f"{class_chip(LABELS[row['predicted']])} {percent(row['confidence'], 0)} ({escape(run.name)})"
            for row in found
        ]
    if predicted:
        newest = f"The {OTHER_RUNS} newest other runs" if len(predicted) == OTHER_RUNS else "Other runs"
        st.markdown(f":small[{newest} predict {', '.join(predicted)}]")


def comparable_runs(shown: Shown) -> list[Run]:
    """The newest `OTHER_RUNS` other runs with predictions for the images shown. Their tables are not read for it: with
    a thousand runs that would take seconds."""
    found = (
        run
        for run in same_data(shown.run, cache.runs(runs_root()))
        if run.id != shown.run.id
        and (shown.split != HELD_OUT or _fold(run) == _fold(shown.run))
        and run.paths.has_predictions(shown.split)
    )
    return list(islice(found, OTHER_RUNS))


def _fold(run: Run) -> str | None:
    return run.config.hold_out if run.config else None
