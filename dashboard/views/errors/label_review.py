"""Label reviews: the bar at the bottom of the window, keyboard shortcuts, and the history of an image."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

import streamlit as st

from core.errors import FerError
from core.labels import LABELS
from core.review.images import (
    DECISION_LABELS,
    DECISIONS,
    LONGEST_COMMENT,
    WRONG_LABEL,
    Decision,
    LabelReview,
    add_label_reviews,
    current_label_reviews,
    read_label_reviews,
)
from dashboard.state import visitor
from dashboard.ui.format import ago, escape, exact
from dashboard.views.errors.shown import Shown

KEYS: Final[dict[str, Decision]] = {
    "a": "ambiguous",
    "h": "hard but right",
    "n": "not a face",
    "m": "model's fault",
}
"""Shortcuts on the wall of faces; those of `LABEL_KEYS` mark a wrong label and set the correct one."""
LABEL_KEYS: Final = {str(number): label for number, label in enumerate(LABELS, 1)}
UNDO: Final = "u"
LEGEND: Final = (
    ("Shortcuts (selected or focused images):", tuple((key, DECISION_LABELS[name]) for key, name in KEYS.items())),
    ("Relabel as:", tuple(LABEL_KEYS.items())),
    ("", ((UNDO, "Undo"),)),
)


def review_bar(shown: Shown, images: Sequence[str]) -> None:
    """For the selected images; stays at the bottom of the window."""
    with st.bottom, st.container(border=True):
        form(shown, images, "bar")


def form(shown: Shown, images: Sequence[str], key: str) -> None:
    """Review, correct label, comment, and the buttons."""
    row = st.grid(4, min_column_width=170)
    with row.cell():
        name = visitor.who(key="who" if key == "bar" else f"who-{key}")
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
            st.caption("Enter your name to save reviews.")
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


def review_by_key(shown: Shown, key: str, images: list[str]) -> Callable[[], None]:
    """What saves the review of a shortcut on the wall; all that it needs of the session is read before."""
    name = visitor.who(ask=False)
    since = st.session_state.setdefault(f"keyed-{shown.run.id}-{shown.data_split}-{name}", datetime.now(UTC))
    return partial(_review_by_key, shown, name, since, key, images)


def _review_by_key(shown: Shown, name: str, since: datetime, key: str, images: list[str]) -> None:
    """Save the review, or show why not; the undo key removes the review of the key before it."""
    if not name:
        st.toast("Enter your name below, then press the key again.", icon=":material/person:")
        return
    undo = key == UNDO
    decision = None if undo else KEYS.get(key, WRONG_LABEL)
    try:
        if undo and not (images := last_reviewed(shown, name, since)):
            st.toast("Nothing to undo.", icon=":material/undo:")
            return
        present = shown.labels_of(images)
        saved = add_label_reviews(
            shown.run.paths, name, shown.data_split, images, decision, label=LABEL_KEYS.get(key), present=present
        )
    except FerError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    about = escape(images[0]) if len(images) == 1 else f"{len(images):,} images"
    st.toast(f"{about}: {saved[0].in_words()}", icon=":material/undo:" if undo else ":material/check:")


def last_reviewed(shown: Shown, name: str, since: datetime) -> list[str]:
    """The images of a reviewer's last review, if it is not older than `since`. Read from the file: what shortcuts
    did in a script run that the next one cut short is there, too."""
    current = current_label_reviews(read_label_reviews(shown.run.paths), shown.data_split)
    mine = [reviews[name] for reviews in current.values() if name in reviews and reviews[name].time >= since]
    last = max((each.time for each in mine), default=None)
    return [each.image for each in mine if each.time == last]


def label_history(reviews: Sequence[LabelReview]) -> None:
    """All reviews of an image, the newest first."""
    for each in reversed(reviews):
        with st.container(gap="xxsmall"):
            st.caption(f"{escape(each.by)} · {ago(each.time)}", help=exact(each.time))
            st.text(f"{each.in_words()}{': ' if each.comment else ''}{each.comment}")
