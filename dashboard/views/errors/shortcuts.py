"""Keyboard shortcuts of the gallery: a key reviews the selected images, another one takes that back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from core.errors import FerError
from core.labels import LABELS
from core.review.images import (
    DECISION_LABELS,
    WRONG_LABEL,
    Decision,
    current_label_reviews,
    own_review,
    read_label_reviews,
)
from core.team import actions
from core.team.people import Actor
from core.team.rights import Action, may
from dashboard.state import visitor
from dashboard.state.actor import actor
from dashboard.state.turns import turns
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


def review_by_key(shown: Shown, key: str, images: list[str]) -> Callable[[], str]:
    """What saves the review of a shortcut on the wall, and says so; all that it needs of the session is read before."""
    me = actor()
    since = first_look(shown, me.name)

    def act() -> str:
        outcome = save_by_key(shown, me, since, key, images)
        st.toast(escape(outcome.words), icon=outcome.icon, duration="short" if outcome.saved else "long")
        return outcome.words

    return act


@dataclass(frozen=True)
class Outcome:
    """What became of a pressed key."""

    words: str
    icon: str
    saved: Sequence[str] = ()
    """The images that have another review now."""


def save_by_key(shown: Shown, me: Actor, since: datetime, key: str, images: Sequence[str]) -> Outcome:
    """Save the review of a key; the undo key removes the review of the key before it.

    Args:
        shown: what is reviewed.
        me: the reviewer; the name is empty while it is not known.
        since: reviews before that are not undone.
        key: one of `KEYS`, `LABEL_KEYS`, or `UNDO`.
        images: ids.
    """
    if not me.name:
        return Outcome(f"{visitor.ENTER_NAME}, then press the key again.", ":material/person:")
    undo = key == UNDO
    decision = None if undo else KEYS.get(key, WRONG_LABEL)
    try:
        if undo and not (images := last_reviewed(shown, me, since)):
            return Outcome("Nothing to undo.", ":material/undo:")
        present = shown.labels_of(images)
        saved = actions.add_label_reviews(
            me, shown.run.paths, shown.data_split, images, decision, label=LABEL_KEYS.get(key), present=present
        )
    except FerError as error:
        return Outcome(str(error), ":material/error:")
    about = images[0] if len(images) == 1 else f"{len(images):,} images"
    icon = ":material/undo:" if undo else ":material/check:"
    return Outcome(f"{about}: {saved[0].in_words()}", icon, [each.image for each in saved])


def first_look(shown: Shown, name: str) -> datetime:
    """When this reviewer first looked at these images in this session: older reviews are not undone by a key."""
    since: datetime = st.session_state.setdefault(f"keyed-{shown.run.id}-{shown.data_split}-{name}", datetime.now(UTC))
    return since


def undo_button(shown: Shown) -> None:
    """Takes back what was saved last, however it was saved: one click too many is no harm."""
    me = actor()
    if not may(me, Action.REMOVE_LABEL_REVIEWS):
        return
    name = me.name
    found = (own_review(reviews, name, me.email) for reviews in shown.current_reviews.values())
    mine = [review.time for review in found if review]
    st.button(
        "Undo review",
        icon=":material/undo:",
        key="undo-review",
        help="Remove your last review of this session (key U)",
        disabled=not any(time >= first_look(shown, name) for time in mine),
        on_click=undo,
        args=(shown,),
    )


def undo(shown: Shown) -> None:
    """The undo key, by mouse."""
    with turns():
        review_by_key(shown, UNDO, [])()


def last_reviewed(shown: Shown, me: Actor, since: datetime) -> list[str]:
    """The images of a reviewer's last review, if it is not older than `since`. Read from the file: what shortcuts
    did in a script run that the next one cut short is there, too."""
    said = read_label_reviews(shown.run.paths)
    current = current_label_reviews(said, shown.data_split)
    own = [own_review(reviews, me.name, me.email) for reviews in current.values()]
    mine = [each for each in said if each.time >= since and any(each is review for review in own)]
    return [each.image for each in mine if each.time == mine[-1].time]  # the last in the file, whatever clocks say
