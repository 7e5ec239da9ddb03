"""Label reviews: the bar at the bottom of the window, what it saves, and the history of an image."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.errors import FerError
from core.evaluation.predictions import probabilities_of
from core.labels import LABELS
from core.review.images import (
    DECISION_LABELS,
    DECISIONS,
    LONGEST_COMMENT,
    WRONG_LABEL,
    LabelReview,
    own_review,
)
from core.team import actions
from dashboard.state import visitor
from dashboard.state.actor import actor
from dashboard.ui.format import ago, escape, exact
from dashboard.views.errors.shown import Shown


def review_bar(shown: Shown, images: Sequence[str]) -> None:
    """For the selected images; stays at the bottom of the window."""
    with st.bottom, st.container(border=True):
        form(shown, images, "bar")


def form(shown: Shown, images: Sequence[str], key: str) -> None:
    """Review, correct label, comment, and the buttons."""
    preset_label(shown, images, key)
    row = st.grid(4, min_column_width=130, vertical_alignment="bottom")
    me = actor()
    decision = row.selectbox(
        "Review", DECISIONS, format_func=DECISION_LABELS.__getitem__, key=f"{key}-decision", persist_state="session"
    )
    wrong = decision == WRONG_LABEL
    label = row.selectbox(
        "Correct label", LABELS, index=None, key=f"{key}-label", disabled=not wrong, placeholder="Select a class"
    )
    comment = row.text_input("Comment", max_chars=LONGEST_COMMENT, key=f"{key}-comment", placeholder="Optional")
    given = decision, label if wrong else None, (comment or "").strip()
    current = shown.current_reviews
    mine = [image for image in images if own_review(current.get(image, {}), me.name, me.email)]
    with row.cell(), st.container(horizontal=True, gap="xsmall"):
        st.button(
            f"Save {len(images):,} reviews" if len(images) > 1 else "Save review",
            type="primary",
            key=f"{key}-save",
            disabled=not me.name or (wrong and label is None),
            help=None if me.name else f"{visitor.ENTER_NAME} to save reviews.",
            on_click=save_reviews,
            args=(shown, list(images), *given, key),
        )
        if mine:
            st.button(
                f"Remove mine ({len(mine):,})" if len(images) > 1 else "Remove mine",
                key=f"{key}-remove",
                help="Remove your review",
                on_click=save_reviews,
                args=(shown, mine, None, None, "", key),
            )
    if refused := st.session_state.pop(f"{key}-refused", None):
        st.error(escape(refused), icon=":material/error:")


def preset_label(shown: Shown, images: Sequence[str], key: str) -> None:
    """Where other images are reviewed than before: the correct label is preset to what the model suggests."""
    if st.session_state.get(f"{key}-for") != list(images):
        st.session_state[f"{key}-for"] = list(images)
        st.session_state[f"{key}-label"] = suggested_label(shown, images)


def suggested_label(shown: Shown, images: Sequence[str]) -> str | None:
    """The most probable class other than the label, so for a misclassified image the prediction; None if the images
    differ in that."""
    rows = shown.table[shown.table["image_id"].isin(images)]
    probabilities = probabilities_of(rows).copy()
    probabilities[np.arange(len(rows)), rows["label"].to_numpy()] = -1
    found = np.unique(probabilities.argmax(axis=1))
    return LABELS[found[0]] if len(found) == 1 else None


def save_reviews(
    shown: Shown, images: list[str], decision: str | None, label: str | None, comment: str, key: str
) -> None:
    """Save reviews, or have the next script run show why they were not saved."""
    try:
        present = shown.labels_of(images)
        actions.add_label_reviews(
            actor(), shown.run.paths, shown.data_split, images, decision, label=label, comment=comment, present=present
        )
    except FerError as error:
        st.session_state[f"{key}-refused"] = str(error)
        return
    st.session_state[f"{key}-comment"] = ""
    st.session_state["everything"] = False
    if key == "bar":  # in the dialog the review appears above; a toast from there would replace the dialog
        done = "removed" if decision is None else "saved"
        st.toast(f"{len(images):,} review{'s' if len(images) > 1 else ''} {done}.", icon=":material/check:")


def label_history(reviews: Sequence[LabelReview]) -> None:
    """All reviews of an image, the newest first."""
    for each in reversed(reviews):
        with st.container(gap="xxsmall"):
            st.caption(f"{escape(each.by)} · {ago(each.time)}", help=exact(each.time))
            st.text(f"{each.in_words()}{': ' if each.comment else ''}{each.comment}")
