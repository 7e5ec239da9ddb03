"""The Review tab of the Run page: verdict, notes, tags, and the history of who said what."""

from typing import Any, Final

import streamlit as st

from core.errors import FerError
from core.review.runs import MAX_CHARACTERS, EditConflictError, annotate, read_changes
from core.runs.records import Run
from core.runs.selection import best_run
from dashboard.state import cache
from dashboard.state.visitor import who as who
from dashboard.ui.format import Colour, ago, escape, exact

ICONS: Final = {
    "unreviewed": ":material/radio_button_unchecked:",
    "in review": ":material/rate_review:",
    "approved": ":material/verified:",
    "rejected": ":material/block:",
}
COLOURS: Final[dict[str, Colour]] = {
    "unreviewed": "gray",
    "in review": "blue",
    "approved": "green",
    "rejected": "red",
}
ACTIONS: Final = {
    "in review": "Start review",
    "approved": "Approve",
    "rejected": "Reject",
    "unreviewed": "Take back",
}
HISTORY_LENGTH: Final = 100


def review(run: Run) -> None:
    """The tab."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        name = who()
        if not name:
            st.caption("Say who you are, and the buttons work.")
        verdict(run, name)
        text(run, name, "name")
        text(run, name, "notes")
        tags(run, name)
    with right:
        history(run, name)


def say(run: Run, by: str, **arguments: Any) -> bool:
    """Write something down; False, with a sentence for the next drawing, if it was not."""
    try:
        annotate(run.paths, by, **arguments)
    except FerError as error:
        st.session_state[f"refused-{run.id}"] = str(error)
        return False
    return True


def verdict(run: Run, name: str) -> None:
    """The review state, and the steps to another one."""
    state = run.meta.review
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(state, icon=ICONS[state], color=COLOURS[state])
        if run.meta.reviewer:
            st.caption(f"by {escape(run.meta.reviewer)}")
    if refused := st.session_state.pop(f"refused-{run.id}", None):
        st.warning(escape(refused), icon=":material/group:")
    with st.container(horizontal=True):
        for other, label in ACTIONS.items():  # all of them, so that none moves to where another was
            st.button(
                label,
                icon=ICONS[other],
                disabled=not name or other == state,
                key=f"review-{other}",
                on_click=judge,
                args=(run, name, other),
            )
    if state == "approved":
        chosen = best_run(cache.runs(run.paths.root))
        if chosen and chosen.id != run.id:
            st.caption(
                f"Approved, and so is {escape(chosen.name)}: predictions use that one by default, since it is better "
                "on validation."
            )
        else:
            st.caption("Approved: predictions use this run by default.")


def judge(run: Run, name: str, state: str) -> None:
    """Change the review state, unless somebody else has since this page was drawn."""
    say(run, name, changes={"review": state}, seen={"review": run.meta.review})


def text(run: Run, name: str, field: str) -> None:
    """A field of free text with its own Save. What somebody types is only ever replaced when they say so."""
    key, seen_key = f"{field}-{run.id}", f"seen-{field}-{run.id}"
    theirs = getattr(run.meta, field)
    if seen_key not in st.session_state or key not in st.session_state:
        st.session_state[seen_key] = st.session_state[key] = theirs
    label = "Notes" if field == "notes" else "Display name"
    draw = st.text_area if field == "notes" else st.text_input
    more: dict[str, Any] = {"height": 180} if field == "notes" else {"placeholder": run.id}
    draw(label, key=key, max_chars=MAX_CHARACTERS[field], persist_state="session", **more)
    if theirs not in (st.session_state[seen_key], st.session_state[key]):
        conflict(run, name, field)
    elif st.button(f"Save {field}", icon=":material/save:", disabled=not name, key=f"save-{field}"):
        save(run, name, field)


def save(run: Run, name: str, field: str) -> None:
    """Save one text if nobody else has changed it since it was read."""
    key, seen_key = f"{field}-{run.id}", f"seen-{field}-{run.id}"
    try:
        meta = annotate(run.paths, name, {field: st.session_state[key]}, seen={field: st.session_state[seen_key]})
    except EditConflictError as error:
        st.session_state[f"refused-{run.id}"] = str(error)
        st.rerun(scope="app")
    st.session_state[seen_key] = getattr(meta, field)
    st.toast(f"Saved the {field}.", icon=":material/check:")
    st.rerun(scope="app")


def conflict(run: Run, name: str, field: str) -> None:
    """Somebody else has saved another text: show both, let this person choose."""
    key, seen_key = f"{field}-{run.id}", f"seen-{field}-{run.id}"
    theirs = getattr(run.meta, field)

    def settle(choice: str) -> None:
        st.session_state[seen_key] = theirs
        if choice == "theirs":
            st.session_state[key] = theirs
        elif choice == "both":
            st.session_state[key] = f"{theirs}\n\n{st.session_state[key]}"

    with st.container(border=True):
        st.warning(f"Somebody else has saved another text for the {field} since you opened this page:")
        st.code(theirs or "(empty)", language=None, wrap_lines=True)
        with st.container(horizontal=True):
            st.button("Take theirs", key=f"theirs-{field}", on_click=settle, args=("theirs",))
            if field == "notes":
                st.button("Put mine below", key=f"both-{field}", on_click=settle, args=("both",))
            st.button("Keep mine, to save over theirs", key=f"mine-{field}", on_click=settle, args=("mine",))
        st.caption("Nothing is lost: every saved text stays in the history.")


def tags(run: Run, name: str) -> None:
    """Words to find the run by; adding and taking away never gets into anybody's way."""
    # The key follows the tags: when somebody else has changed them, the box starts from theirs.
    key = f"tags-{run.id}-{'|'.join(run.meta.tags)}"

    def change() -> None:
        chosen = set(st.session_state[key])
        say(run, name, tag=sorted(chosen - set(run.meta.tags)), untag=sorted(set(run.meta.tags) - chosen))

    st.multiselect(
        "Tags",
        run.meta.tags,
        run.meta.tags,
        key=key,
        accept_new_options=True,
        placeholder="type a word and press Enter",
        disabled=not name,
        on_change=change,
    )


def history(run: Run, name: str) -> None:
    """Who said what and when, the newest first, and a line to add."""
    st.markdown("**History**")
    with st.form(f"comment-{run.id}", clear_on_submit=True, border=False):
        comment = st.text_area(
            "Say something", height=80, max_chars=MAX_CHARACTERS["comment"], key=f"comment-text-{run.id}"
        )
        if st.form_submit_button("Say it", icon=":material/send:", disabled=not name) and comment.strip():
            say(run, name, comment=comment)
            st.rerun(scope="app")
    changes = read_changes(run.paths)
    for change in changes[: -HISTORY_LENGTH - 1 : -1]:
        with st.container(border=True, gap="xxsmall"):
            st.caption(f"{escape(change.by)} · {ago(change.time)}", help=exact(change.time))
            st.text(change.in_words())
    started = f" by {escape(run.meta.author)}" if run.meta.author else ""
    st.caption(f"Started{started} {ago(run.status.created_at)}", help=exact(run.status.created_at))
    if len(changes) > HISTORY_LENGTH:
        st.caption(f"{len(changes) - HISTORY_LENGTH} older ones are in {run.paths.changes.name}.")
