"""The name and the notes of a run, edited in place without losing what someone else wrote in the meantime."""

from typing import Any

import streamlit as st

from core.review.runs import MAX_CHARACTERS, EditConflictError
from core.runs.records import Run
from core.team import actions
from core.team.people import Actor
from dashboard.ui.messages import say


def edit_text(run: Run, me: Actor, field: str) -> None:
    """A text field with its own save button. What a visitor types is only ever replaced when they ask for it."""
    key, seen_key = f"{field}-{run.id}", f"seen-{field}-{run.id}"
    theirs = getattr(run.meta, field)
    if seen_key not in st.session_state or key not in st.session_state:
        st.session_state[seen_key] = st.session_state[key] = theirs
    label = "Notes" if field == "notes" else "Display name"
    draw = st.text_area if field == "notes" else st.text_input
    more: dict[str, Any] = {"height": 180} if field == "notes" else {"placeholder": run.id}
    draw(label, key=key, max_chars=MAX_CHARACTERS[field], persist_state="session", **more)
    if theirs not in (st.session_state[seen_key], st.session_state[key]):
        conflict(run, field)
    elif st.button(f"Save {field}", icon=":material/save:", disabled=not me.name, key=f"save-{field}"):
        save(run, me, field)


def save(run: Run, me: Actor, field: str) -> None:
    """Save one text unless someone else has changed it since it was read."""
    key, seen_key = f"{field}-{run.id}", f"seen-{field}-{run.id}"
    try:
        meta = actions.annotate(
            me,
            run.paths.root,
            run.id,
            {field: st.session_state[key]},
            seen={field: st.session_state[seen_key]},
        )
    except EditConflictError as error:
        st.session_state[f"refused-{run.id}"] = str(error)
        st.rerun(scope="app")
    st.session_state[seen_key] = getattr(meta, field)
    say(f"{field.capitalize()} saved.")
    st.rerun(scope="app")


def conflict(run: Run, field: str) -> None:
    """Someone else has saved another text: show both and ask which one to keep."""
    key, seen_key = f"{field}-{run.id}", f"seen-{field}-{run.id}"
    theirs = getattr(run.meta, field)

    def settle(choice: str) -> None:
        st.session_state[seen_key] = theirs
        if choice == "theirs":
            st.session_state[key] = theirs
        elif choice == "both":
            st.session_state[key] = f"{theirs}\n\n{st.session_state[key]}"

    with st.container(border=True):
        verb = "were" if field == "notes" else "was"
        st.warning(f"The {field} {verb} changed by someone else since you opened this page:")
        st.code(theirs or "(empty)", language=None, wrap_lines=True)
        with st.container(horizontal=True):
            st.button("Use theirs", key=f"theirs-{field}", on_click=settle, args=("theirs",))
            if field == "notes":
                st.button("Append mine", key=f"both-{field}", on_click=settle, args=("both",))
            st.button("Overwrite with mine", key=f"mine-{field}", on_click=settle, args=("mine",))
        st.caption("All saved versions are kept in the history.")
