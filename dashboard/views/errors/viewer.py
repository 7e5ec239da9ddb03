"""The viewer of the error analysis: the images of the gallery one by one, by mouse or keyboard."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import streamlit as st

from core.labels import LABELS
from core.review.images import DECISION_LABELS
from core.team.people import Actor
from core.team.rights import Action, may
from dashboard.state import visitor
from dashboard.state.actor import actor
from dashboard.state.turns import turns
from dashboard.ui.format import escape
from dashboard.ui.page import guarded
from dashboard.views.errors import image, label_review, shortcuts
from dashboard.views.errors.shown import Shown

VIEWED: Final = "viewed"
"""In the session: the id of the image that is or was last in the viewer."""
LAST_ACT: Final = "viewer-said"


def last_viewed() -> str | None:
    """The id of the image that was last in the viewer."""
    viewed: str | None = st.session_state.get(VIEWED)
    return viewed


def dialog(shown: Shown, images: Sequence[str], opened: str, on_close: Callable[[int], None]) -> None:
    """Over the page, until it is closed, which redraws the page with the new reviews.

    Args:
        shown: what is reviewed.
        images: ids in the order of the gallery, on all its pages.
        opened: the one to begin with.
        on_close: gets the position of the image at which the viewer was closed.
    """
    st.session_state[VIEWED] = opened
    st.session_state.pop(LAST_ACT, None)
    places = {each: position for position, each in enumerate(images)}
    st.dialog("Image viewer", width="large", on_dismiss=lambda: on_close(places[st.session_state[VIEWED]]))(viewer)(
        shown, images, places
    )


def viewer(shown: Shown, images: Sequence[str], places: Mapping[str, int]) -> None:
    """The image in view, what leads to the others, and what reviews it."""
    with guarded():
        position = places[st.session_state[VIEWED]]
        step_buttons(images, places, position)
        current = images[position]
        row = shown.table[shown.table["image_id"] == current].iloc[0]
        image.face_and_probabilities(shown, row)
        me = actor()
        may_review = may(me, Action.REVIEW_LABELS)
        if may_review:
            review_keys(shown, images, position, LABELS[row["label"]], me)
        image.details(shown, row)
        if may_review:
            with st.expander("Review with a comment"):
                label_review.form(shown, [current], "image")


def step_buttons(images: Sequence[str], places: Mapping[str, int], position: int) -> None:
    """Previous and next, also by arrow key, and where one is."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Previous",
            icon=":material/chevron_left:",
            shortcut="Left",
            key="viewer-previous",
            disabled=position == 0,
            on_click=step,
            args=(images, places, -1),
        )
        st.button(
            "Next",
            icon=":material/chevron_right:",
            icon_position="right",
            shortcut="Right",
            key="viewer-next",
            disabled=position == len(images) - 1,
            on_click=step,
            args=(images, places, 1),
        )
        st.caption(f"{position + 1:,} of {len(images):,} · {escape(images[position])}", width="content")


def review_keys(shown: Shown, images: Sequence[str], position: int, present: str, me: Actor) -> None:
    """A button for each shortcut of the wall, with the same key; the next image comes by itself."""
    keys = {key: DECISION_LABELS[decision] for key, decision in shortcuts.KEYS.items()}
    for words, choices in (("Review", keys), ("Relabel as", shortcuts.LABEL_KEYS)):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.caption(words, width="content")
            for key, label in choices.items():
                st.button(
                    label,
                    shortcut=key,
                    key=f"viewer-key-{key}",
                    disabled=not me.name or label == present,
                    on_click=review,
                    args=(shown, images, position, key),
                )
            if choices is keys:
                st.button(
                    "Undo",
                    shortcut=shortcuts.UNDO,
                    type="tertiary",
                    key="viewer-undo",
                    disabled=not me.name,
                    on_click=review,
                    args=(shown, images, position, shortcuts.UNDO),
                )
    # Not as a toast: one from here would replace the dialog.
    hint = "Each key reviews and goes on." if me.name else f"{visitor.ENTER_NAME} to review."
    st.caption(escape(st.session_state.get(LAST_ACT) or hint))


def step(images: Sequence[str], places: Mapping[str, int], by: int) -> None:
    """Go on from the image in view, also where that is drawn later than the next key is pressed."""
    look_at(images, places[st.session_state[VIEWED]] + by)


def look_at(images: Sequence[str], position: int) -> None:
    """Go to another image, if there is one."""
    if 0 <= position < len(images):
        st.session_state[VIEWED] = images[position]


def review(shown: Shown, images: Sequence[str], position: int, key: str) -> None:
    """Save what a key means for the image at a position, the one that was in view when it was pressed, and go on; undo
    goes back to the image whose review was taken back."""
    me = actor()
    with turns():  # the next key may take back what this one does
        outcome = shortcuts.save_by_key(shown, me, shortcuts.first_look(shown, me.name), key, [images[position]])
    st.session_state[LAST_ACT] = outcome.words
    if key != shortcuts.UNDO and outcome.saved:
        look_at(images, position + 1)
    elif outcome.saved and outcome.saved[0] in images:
        st.session_state[VIEWED] = outcome.saved[0]
