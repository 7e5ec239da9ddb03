"""The Review tab of the Run page: review state, notes, tags, comments and the history of changes."""

from typing import Any, Final

import streamlit as st

from core.errors import FerError
from core.review.runs import MAX_CHARACTERS, read_changes
from core.runs.records import Run
from core.runs.selection import best_run
from core.team import actions
from core.team.people import Actor
from core.team.rights import Action, may, why_not
from dashboard.state import cache
from dashboard.state.actor import actor
from dashboard.state.visitor import ENTER_NAME
from dashboard.ui.format import Colour, ago, escape, exact
from dashboard.ui.notes import edit_text
from dashboard.ui.page import ACTIVITY_PAGE, go_button

ICONS: Final = {
    "unreviewed": ":material/radio_button_unchecked:",
    "in review": ":material/rate_review:",
    "approved": ":material/verified:",
    "rejected": ":material/block:",
}
REVIEW_COLOURS: Final[dict[str, Colour]] = {
    "unreviewed": "gray",
    "in review": "blue",
    "approved": "green",
    "rejected": "red",
}
REVIEW_BUTTONS: Final = {
    "in review": "Start review",
    "approved": "Approve",
    "rejected": "Reject",
    "unreviewed": "Reset to unreviewed",
}
HISTORY_LENGTH: Final = 100


def review_tab(run: Run) -> None:
    """The tab."""
    left, right = st.columns([3, 2], gap="large")
    me = actor()
    may_edit = may(me, Action.ANNOTATE, run)
    with left:
        if may_edit and not me.name:
            st.caption(f"{ENTER_NAME} to review this run and to edit its name, notes and tags.")
        review_buttons(run, me)
        if may_edit:
            edit_text(run, me, "name")
            edit_text(run, me, "notes")
            edit_tags(run, me)
        else:
            st.text(run.meta.notes or "No notes.")
            st.caption(escape(f"Tags: {', '.join(run.meta.tags) or 'none'}"))
    with right:
        st.markdown("**History**")
        if may_edit:
            add_comment(run, me)
        review_history(run)


def annotate_run(run: Run, **arguments: Any) -> bool:
    """Record a change; False, with a sentence for the rerun, if it was refused. Whoever asks for it is asked for then:
    their role may have changed since the page was drawn."""
    try:
        actions.annotate(actor(), run.paths.root, run.id, **arguments)
    except FerError as error:
        st.session_state[f"refused-{run.id}"] = str(error)
        return False
    return True


def review_buttons(run: Run, me: Actor) -> None:
    """The review state, and the buttons to change it that the visitor may press; where only the approval is missing, it
    says why."""
    state = run.meta.review
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(state.capitalize(), icon=ICONS[state], color=REVIEW_COLOURS[state])
        if run.meta.reviewer:
            st.caption(f"by {escape(run.meta.reviewer)}")
    if refused := st.session_state.pop(f"refused-{run.id}", None):
        st.warning(escape(refused), icon=":material/group:")
    kinds = {other: actions.annotation({"review": other}, run.meta) for other in REVIEW_BUTTONS}
    with st.container(horizontal=True):
        for other, kind in kinds.items():  # the present one, too, so that none moves
            if may(me, kind, run):
                st.button(
                    REVIEW_BUTTONS[other],
                    icon=ICONS[other],
                    disabled=not me.name or other == state,
                    key=f"review-{other}",
                    on_click=set_review,
                    args=(run, other),
                )
    if may(me, Action.REJECT, run) and (why := why_not(me, Action.APPROVE, run)):
        st.caption(why)
    if state == "approved":
        chosen = best_run(cache.runs(run.paths.root))
        if chosen and chosen.id != run.id:
            st.caption(
                f"Approved. {escape(chosen.name)} is also approved and has higher validation accuracy, so it's the "
                "default."
            )
        else:
            st.caption("Approved. Default model for predictions.")


def set_review(run: Run, state: str) -> None:
    """Change the review state, unless someone else has since this page was drawn."""
    annotate_run(run, changes={"review": state}, seen={"review": run.meta.review})


def edit_tags(run: Run, me: Actor) -> None:
    """Tags; each change adds or removes single ones, so that concurrent changes do not conflict."""
    # The key follows the tags: when someone else has changed them, the box starts from theirs.
    key = f"tags-{run.id}-{'|'.join(run.meta.tags)}"

    def change() -> None:
        chosen = set(st.session_state[key])
        annotate_run(run, tag=sorted(chosen - set(run.meta.tags)), untag=sorted(set(run.meta.tags) - chosen))

    st.multiselect(
        "Tags",
        run.meta.tags,
        run.meta.tags,
        key=key,
        accept_new_options=True,
        placeholder="Add a tag",
        disabled=not me.name,
        on_change=change,
    )


def add_comment(run: Run, me: Actor) -> None:
    """A box for a new comment."""
    with st.form(f"comment-{run.id}", clear_on_submit=True, border=False):
        comment = st.text_area(
            "Add a comment", height=80, max_chars=MAX_CHARACTERS["comment"], key=f"comment-text-{run.id}"
        )
        if st.form_submit_button("Comment", icon=":material/send:", disabled=not me.name) and comment.strip():
            annotate_run(run, comment=comment)
            st.rerun(scope="app")


def review_history(run: Run) -> None:
    """The changes and comments, newest first."""
    changes = read_changes(run.paths)
    for change in changes[: -HISTORY_LENGTH - 1 : -1]:
        with st.container(border=True, gap="xxsmall"):
            st.caption(f"{escape(change.by)} · {ago(change.time)}", help=exact(change.time))
            st.text(change.in_words())
    go_button("All activity", ACTIVITY_PAGE, ":material/history:", on=run.id)
    started = f" by {escape(run.meta.author)}" if run.meta.author else ""
    st.caption(f"Started{started} {ago(run.status.created_at)}", help=exact(run.status.created_at))
    if len(changes) > HISTORY_LENGTH:
        st.caption(f"{len(changes) - HISTORY_LENGTH} older entries in {run.paths.changes.name}.")
