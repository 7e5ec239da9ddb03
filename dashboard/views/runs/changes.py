"""What people change of the runs that are ticked on the Runs page: names, notes, tags, stars, archive."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.errors import FerError
from core.review.runs import annotate
from core.runs.records import Run
from dashboard.state import visitor
from dashboard.ui.messages import say
from dashboard.ui.notes import edit_text
from dashboard.views.runs import ticks

REFUSED = "runs-refused"


def edit(ticked: list[Run], shown: list[Run], name: str) -> None:
    """What people add to runs."""
    if not name:
        st.caption(f"{visitor.ENTER_NAME} to change runs.")
    if len(ticked) == 1:
        edit_text(ticked[0], name, "name")
        edit_text(ticked[0], name, "notes")
    add_and_remove_tags(ticked, shown, name)
    starred = all(run.meta.starred for run in ticked)
    if st.button("Unstar" if starred else "Star", icon=":material/star:", key="star", disabled=not name):
        annotate_each(ticked, name, "Unstarred" if starred else "Starred", changes={"starred": not starred})


def add_and_remove_tags(ticked: Sequence[Run], shown: Sequence[Run], name: str) -> None:
    """Tags to add to all ticked runs, and to remove from them."""
    known = sorted({tag for run in (*shown, *ticked) for tag in run.meta.tags})
    add = st.multiselect("Add tags", known, key="tags-add", accept_new_options=True, placeholder="Add or create a tag")
    present = sorted({tag for run in ticked for tag in run.meta.tags})
    remove = st.multiselect("Remove tags", present, key="tags-remove", placeholder="Any") if present else []
    off = not (name and (add or remove))
    if st.button("Apply tags", icon=":material/sell:", key="tags-change", disabled=off):
        annotate_each(ticked, name, "Changed the tags of", tag=add, untag=remove)


def set_archived(ticked: Sequence[Run], name: str, archived: bool) -> None:
    """Hide the runs from lists, or show them again. They are not ticked any more: nobody sees what is hidden."""
    ticks.tick(())
    annotate_each(ticked, name, "Archived" if archived else "Unarchived", changes={"archived": archived})


def annotate_each(runs: Sequence[Run], name: str, done: str, **what: Any) -> None:
    """Make the same change to each of these runs; a refusal is shown after the rerun, and does not keep the others
    back.

    Args:
        runs: at least one.
        name: who does it.
        done: what was done, for the message: `Starred`.
        what: as `core.review.runs.annotate` takes it.
    """
    refused = []
    for run in runs:
        try:
            annotate(run.paths, name, **what)
        except FerError as error:
            refused.append(str(error))
    st.session_state[REFUSED] = refused
    if count := len(runs) - len(refused):
        say(f"{done} {runs[0].name}." if count == len(runs) == 1 else f"{done} {count:,} runs.")
    st.rerun(scope="app")
