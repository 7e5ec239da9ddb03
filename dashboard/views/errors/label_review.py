"""Label reviews: the bar at the bottom of the window, what it saves, and the history of an image."""

from collections.abc import Sequence

import streamlit as st

from core.errors import FerError
from core.labels import LABELS
from core.review.images import (
    DECISION_LABELS,
    DECISIONS,
    LONGEST_COMMENT,
    WRONG_LABEL,
    LabelReview,
    add_label_reviews,
)
from dashboard.state import visitor
from dashboard.ui.format import ago, escape, exact
from dashboard.views.errors.shown import Shown


def review_bar(shown: Shown, images: Sequence[str]) -> None:
    """For the selected images; stays at the bottom of the window."""
    with st.bottom, st.container(border=True):
        form(shown, images, "bar")


def form(shown: Shown, images: Sequence[str], key: str) -> None:
    """Review, correct label, comment, and the buttons."""
    row = st.grid(3, min_column_width=170)
    name = visitor.who()
    decision = row.selectbox(
        "Review", DECISIONS, format_func=DECISION_LABELS.__getitem__, key=f"{key}-decision", persist_state="session"
    )
    wrong = decision == WRONG_LABEL
    label = row.selectbox("Correct label", LABELS, key=f"{key}-label", disabled=not wrong, persist_state="session")
    comment = row.text_input("Comment", max_chars=LONGEST_COMMENT, key=f"{key}-comment", placeholder="Optional")
    with st.container(horizontal=True, vertical_alignment="center"):
        count = f"**{len(images):,} {shown.data_split} image{'s' if len(images) > 1 else ''}**"
        st.markdown(count, width="content")
        given = decision, label if wrong else None, (comment or "").strip()
        st.button(
            "Save review" if len(images) == 1 else "Save reviews",
            type="primary",
            icon=":material/rate_review:",
            key=f"{key}-save",
            disabled=not name,
            on_click=save_reviews,
            args=(shown, name, list(images), *given, key),
        )
        current = shown.current_reviews
        mine = [image for image in images if name in current.get(image, {})]
        if mine:
            st.button(
                f"Remove my review ({len(mine):,})",
                icon=":material/undo:",
                key=f"{key}-remove",
                on_click=save_reviews,
                args=(shown, name, mine, None, None, "", key),
            )
        if not name:
            st.caption(f"{visitor.ENTER_NAME} to save reviews.")
    if refused := st.session_state.pop(f"{key}-refused", None):
        st.error(escape(refused), icon=":material/error:")


def save_reviews(
    shown: Shown, name: str, images: list[str], decision: str | None, label: str | None, comment: str, key: str
) -> None:
    """Save reviews, or have the next script run show why they were not saved."""
    try:
        present = shown.labels_of(images)
        add_label_reviews(
            shown.run.paths, name, shown.data_split, images, decision, label=label, comment=comment, present=present
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
