"""Keyboard shortcuts of the gallery: a key reviews the selected images, another one takes that back."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

import streamlit as st

from core.errors import FerError
from core.labels import LABELS
from core.review.images import (
    DECISION_LABELS,
    WRONG_LABEL,
    Decision,
    add_label_reviews,
    current_label_reviews,
    read_label_reviews,
)
from dashboard.state import visitor
from dashboard.ui.format import escape
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


def review_by_key(shown: Shown, key: str, images: list[str]) -> Callable[[], None]:
    """What saves the review of a shortcut on the wall; all that it needs of the session is read before."""
    name = visitor.who()
    since = st.session_state.setdefault(f"keyed-{shown.run.id}-{shown.data_split}-{name}", datetime.now(UTC))
    return partial(_review_by_key, shown, name, since, key, images)


def _review_by_key(shown: Shown, name: str, since: datetime, key: str, images: list[str]) -> None:
    """Save the review, or show why not; the undo key removes the review of the key before it."""
    if not name:
        st.toast(f"{visitor.ENTER_NAME}, then press the key again.", icon=":material/person:")
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
    said = read_label_reviews(shown.run.paths)
    current = current_label_reviews(said, shown.data_split)
    mine = [each for each in said if each.time >= since and current.get(each.image, {}).get(name) is each]
    return [each.image for each in mine if each.time == mine[-1].time]  # the last in the file, whatever clocks say
