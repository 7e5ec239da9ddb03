"""What a reviewer says about images: the bar at the bottom of the window, single keys, and who has said what."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

import streamlit as st

from core.errors import FerError
from core.labels import LABELS
from core.review.images import (
    DECISIONS,
    LONGEST_COMMENT,
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
"""Single keys on the wall of faces; those of `LABEL_KEYS` say that the label is wrong, and which is right."""
LABEL_KEYS: Final = {str(number): label for number, label in enumerate(LABELS, 1)}
UNDO: Final = "u"
LEGEND: Final = (
    ("Keys for the ticked faces, or the one in focus:", tuple(KEYS.items())),
    ("label is wrong, it should be:", tuple(LABEL_KEYS.items())),
    ("", ((UNDO, "takes back the last key"),)),
)


def review_bar(shown: Shown, images: Sequence[str]) -> None:
    """For the images that are ticked; stays at the bottom of the window."""
    with st.bottom, st.container(border=True):
        form(shown, images, "bar")


def form(shown: Shown, images: Sequence[str], key: str) -> None:
    """Verdict, right label, comment, and the buttons."""
    row = st.grid(4, min_column_width=170)
    with row.cell():
        name = visitor.who(key="who" if key == "bar" else f"who-{key}")
    verdict = row.selectbox("LabelReview", DECISIONS, key=f"{key}-verdict", persist_state="session")
    wrong = verdict == "label is wrong"
    label = row.selectbox("It should be", LABELS, key=f"{key}-label", disabled=not wrong, persist_state="session")
    comment = row.text_input("Comment", max_chars=LONGEST_COMMENT, key=f"{key}-comment", placeholder="why, if you like")
    with st.container(horizontal=True, vertical_alignment="center"):
        count = f"**{len(images):,} image{'s' if len(images) > 1 else ''}** of {shown.data_split}"
        st.markdown(count, width="content")
        said = verdict, label if wrong else None, (comment or "").strip()
        st.button(
            "Give verdict",
            type="primary",
            icon=":material/gavel:",
            key=f"{key}-give",
            disabled=not name,
            on_click=save_reviews,
            args=(shown, name, list(images), *said, key),
        )
        standing = shown.standing
        mine = [image for image in images if name in standing.get(image, {})]
        if mine:
            st.button(
                f"Withdraw mine ({len(mine):,})",
                icon=":material/undo:",
                key=f"{key}-withdraw",
                on_click=save_reviews,
                args=(shown, name, mine, None, None, "", key),
            )
        if not name:
            st.caption("Say who you are, and the buttons work.")
    if refused := st.session_state.pop(f"{key}-refused", None):
        st.error(escape(refused), icon=":material/error:")


def save_reviews(
    shown: Shown, name: str, images: list[str], verdict: str | None, label: str | None, comment: str, key: str
) -> None:
    """Write it down, or say at the next drawing why it was not."""
    try:
        present = shown.labels_of(images)
        add_label_reviews(
            shown.run.paths, name, shown.data_split, images, verdict, label=label, comment=comment, present=present
        )
    except FerError as error:
        st.session_state[f"{key}-refused"] = str(error)
        return
    st.session_state[f"{key}-comment"] = ""
    st.session_state["everything"] = False
    if key == "bar":  # in the dialog the verdict appears above; a toast from there would take the dialog's place
        done = "withdrawn" if verdict is None else "kept"
        st.toast(f"{len(images):,} verdict{'s' if len(images) > 1 else ''} {done}.", icon=":material/check:")


def review_by_key(shown: Shown, key: str, images: list[str]) -> Callable[[], None]:
    """What writes down what a key on the wall says; all that it needs of the session is read before."""
    name = visitor.who(ask=False)
    since = st.session_state.setdefault(f"keyed-{shown.run.id}-{shown.data_split}-{name}", datetime.now(UTC))
    return partial(_review_by_key, shown, name, since, key, images)


def _review_by_key(shown: Shown, name: str, since: datetime, key: str, images: list[str]) -> None:
    """Write it down, or say why not; the undo key takes back what the key before it said."""
    if not name:
        st.toast("Say who you are at the bottom of the page, then press the key again.", icon=":material/person:")
        return
    undo = key == UNDO
    verdict = None if undo else KEYS.get(key, "label is wrong")
    try:
        if undo and not (images := last_said(shown, name, since)):
            st.toast("There is nothing to take back: no key has judged here yet.", icon=":material/undo:")
            return
        present = shown.labels_of(images)
        given = add_label_reviews(
            shown.run.paths, name, shown.data_split, images, verdict, label=LABEL_KEYS.get(key), present=present
        )
    except FerError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    about = escape(images[0]) if len(images) == 1 else f"{len(images):,} images"
    st.toast(f"{about}: {given[0].in_words()}", icon=":material/undo:" if undo else ":material/check:")


def last_said(shown: Shown, name: str, since: datetime) -> list[str]:
    """The images of somebody's last verdict that stands, if it is not older than that. Read from the file: what keys
    did in a script run that the next key cut short is there, too."""
    standing = current_label_reviews(read_label_reviews(shown.run.paths), shown.data_split)
    mine = [authors[name] for authors in standing.values() if name in authors and authors[name].time >= since]
    last = max((each.time for each in mine), default=None)
    return [each.image for each in mine if each.time == last]


def label_history(verdicts: Sequence[LabelReview]) -> None:
    """Who said what about an image, the newest first."""
    for each in reversed(verdicts):
        with st.container(gap="xxsmall"):
            st.caption(f"{escape(each.by)} · {ago(each.time)}", help=exact(each.time))
            st.text(f"{each.in_words()}{': ' if each.comment else ''}{each.comment}")
