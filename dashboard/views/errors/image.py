"""One image of the Errors page: what the network says about it, where it looks, what resembles it, who said what."""

from itertools import islice
from typing import Final

import numpy as np
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
from dashboard.ui.charts.bars import probability_bars
from dashboard.ui.charts.style import CHART_CONFIG
from dashboard.ui.faces import enlarged, face_grid, predicted_faces
from dashboard.ui.format import class_chip, escape, percent
from dashboard.ui.page import guarded
from dashboard.views.errors import label_review
from dashboard.views.errors.shown import Shown, shown_of

NEAREST_SHOWN: Final = 8
OTHER_RUNS: Final = 6
"""So many other runs are asked about an image."""


def dialog(shown: Shown, image: str) -> None:
    """Over the page, until it is closed; closing it draws the page with the new verdicts."""
    st.dialog(image, width="large", on_dismiss="rerun")(image_details)(shown, image)


def image_details(shown: Shown, image: str) -> None:
    """Everything about one image."""
    with guarded():
        row = shown.table[shown.table["image_id"] == image].iloc[0]
        pixels = shown.images
        assert pixels is not None  # without images there is nothing to click
        left, right = st.columns([2, 3], gap="medium")
        with left:
            st.image(enlarged(pixels[row["index"]]), width=192, output_format="PNG", alt=image)
            said = f"{class_chip(LABELS[row['predicted']])} {percent(row['confidence'])}"
            true = class_chip(LABELS[row["label"]])
            st.markdown(f"true {true} · predicted {said}")
            st.caption(f"loss {row['loss']:.2f} · margin {percent(row['margin'])}")
        figure = probability_bars(row[PROBABILITY_COLUMNS].to_numpy(float).tolist())
        right.plotly_chart(figure, key="image-probabilities", config=CHART_CONFIG)
        draw_copies(shown, row)
        other_runs(shown, image)
        if shown.run.has_weights and shown.run.config:
            with st.container(horizontal=True):
                look = st.toggle("Where does it look?", key="image-saliency", persist_state="session")
                near = st.toggle("Which mistakes resemble it?", key="image-nearest", persist_state="session")
            if look:
                saliency(shown, row)
            if near:
                nearest(shown, row)
        st.divider()
        reviews = st.container()  # grows with each review; what is below keeps its place, and the keyboard
        said_so_far = [
            verdict
            for verdict in cache.label_reviews(shown.run.paths)
            if (verdict.split, verdict.image) == (shown.data_split, image)
        ]
        standing = shown.standing.get(image, {})
        if len({verdict.opinion for verdict in standing.values()}) > 1:
            reviews.warning("The reviewers disagree about this image.", icon=":material/group:")
        with reviews:
            label_review.label_history(said_so_far)
        label_review.form(shown, [image], "image")


def draw_copies(shown: Shown, row: pd.Series) -> None:
    """Where else the same picture stands, and under which labels."""
    if shown.info is None:
        return
    audit = audit_dataset(data_root(), shown.info.name)
    for groups, words in ((audit.duplicates, "The same pixels"), (audit.near, "Nearly the same picture")):
        others = places(audit, groups, shown.data_split, int(row["index"]))
        if others:
            split = {name: cache.split(shown.info.ref(data_root()), name) for name in {name for name, _ in others}}
            found = ", ".join(
                f"{class_chip(LABELS[split[name].labels[index]])} in {name}" for name, index in others[:8]
            )
            st.markdown(f":small[:material/content_copy: {words} also as {found}]")


def places(audit: Audit, groups: list[list[int]], split: str, index: int) -> list[tuple[str, int]]:
    """The other images of the group that this one belongs to."""
    for group in groups:
        located = [audit.locate(position) for position in group]
        if (split, index) in located:
            return [place for place in located if place != (split, index)]
    return []


def other_runs(shown: Shown, image: str) -> None:
    """What the newest other runs take the image for."""
    said = []
    for run in comparable_runs(shown):
        table = cache.predictions(run.paths.predictions(shown.split))
        found = table[table["image_id"] == image].to_dict("records") if table is not None else []
        said += [
            f"{class_chip(LABELS[row['predicted']])} {percent(row['confidence'], 0)} ({escape(run.name)})"
            for row in found
        ]
    if said:
        newest = "The newest other runs" if len(said) == OTHER_RUNS else "Other runs"
        st.markdown(f":small[{newest} say {', '.join(said)}]")


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


def saliency(shown: Shown, row: pd.Series) -> None:
    """Grad-CAM on the predicted and on the true class."""
    with st.spinner("Computing where it looks …"):
        heat = heat_maps(shown, row)
    face_grid([over for over, _ in heat], [words for _, words in heat], names=[words for _, words in heat])
    st.caption(
        "Grad-CAM: bright where the last convolution speaks for that class. It shows where the network looked, not why."
    )


def heat_maps(shown: Shown, row: pd.Series) -> list[tuple[np.ndarray, str]]:
    """uint8 (48, 48, 3) pictures with the class they are about."""
    from core.evaluation.grad_cam import grad_cam, heat_over

    assert shown.images is not None
    network = cache.predictor(shown.run)
    pixels = shown.images[row["index"]]
    asked = {"predicted": int(row["predicted"]), "true": int(row["label"])}
    if len(set(asked.values())) == 1:
        asked.pop("true")
    heat = grad_cam(network.model, np.stack([pixels] * len(asked)), np.array(list(asked.values())))
    return [
        (heat_over(pixels, heat[n]), f"for {LABELS[label]} ({words})") for n, (words, label) in enumerate(asked.items())
    ]


def nearest(shown: Shown, row: pd.Series) -> None:
    """The misclassified validation images that the network sees as most like this one."""
    validation = shown_of(shown.run, "validation")
    if validation is None or validation.info is None or validation.images is None:
        st.caption("Mistakes are looked for among the validation images, which this run has not been scored on yet.")
        return
    with st.spinner("Looking through the mistakes on validation …"):
        from core.evaluation.nearest import features

        assert shown.images is not None
        network = cache.predictor(shown.run)
        mistakes = cache.mistakes(shown.run, validation.info.ref(data_root()), "validation")
        query = features(network.model, shown.images[[row["index"]]])[0]
        own = int(row["index"]) if shown.data_split == "validation" else None
        found, likeness = mistakes.nearest(query, NEAREST_SHOWN, own)
    by_index = validation.table.set_index("index", drop=False)
    predicted_faces(validation.images, by_index.loc[found])
    st.caption(
        f"Misclassified validation images whose last features point the same way (cosine {likeness.max():.2f} to "
        f"{likeness.min():.2f}), the most alike first."
        if len(found)
        else "This run makes no mistake on validation."
    )
