"""What people change of the runs that are ticked on the Runs page: names, notes, tags, stars, archive."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.errors import FerError
from core.runs.records import Run
from core.team import actions
from core.team.people import Actor
from dashboard.state import visitor
from dashboard.ui.messages import say
from dashboard.ui.notes import edit_text
from dashboard.views.runs import ticks

REFUSED = "runs-refused"


def edit(ticked: list[Run], shown: list[Run], me: Actor) -> None:
    """What people add to runs."""
    if not me.name:
        st.caption(f"{visitor.ENTER_NAME} to change runs.")
    if len(ticked) == 1:
        edit_text(ticked[0], me, "name")
        edit_text(ticked[0], me, "notes")
    add_and_remove_tags(ticked, shown, me)
    starred = all(run.meta.starred for run in ticked)
    if st.button("Unstar" if starred else "Star", icon=":material/star:", key="star", disabled=not me.name):
        annotate_each(ticked, me, "Unstarred" if starred else "Starred", changes={"starred": not starred})
        st.rerun(scope="app")


def add_and_remove_tags(ticked: Sequence[Run], shown: Sequence[Run], me: Actor) -> None:
    """Tags to add to all ticked runs, and to remove from them."""
    known = sorted({tag for run in (*shown, *ticked) for tag in run.meta.tags})
    add = st.multiselect("Add tags", known, key="tags-add", accept_new_options=True, placeholder="Add or create a tag")
    present = sorted({tag for run in ticked for tag in run.meta.tags})
    remove = st.multiselect("Remove tags", present, key="tags-remove", placeholder="Any") if present else []
    off = not (me.name and (add or remove))
    if st.button("Apply tags", icon=":material/sell:", key="tags-change", disabled=off):
        annotate_each(ticked, me, "Changed the tags of", tag=add, untag=remove)
        st.rerun(scope="app")


def set_archived(ticked: Sequence[Run], me: Actor, archived: bool) -> None:
    """Hide the runs from lists, or show them again. They are not ticked any more: nobody sees what is hidden."""
    changed = annotate_each(ticked, me, "Archived" if archived else "Unarchived", changes={"archived": archived})
    ticks.tick(run_id for run_id in ticks.ticked() if run_id not in changed)
    st.rerun(scope="app")


def annotate_each(runs: Sequence[Run], me: Actor, done: str, **what: Any) -> set[str]:
    """Make the same change to each of these runs; a refusal is shown after the rerun, and does not keep the others
    back.

    Args:
        runs: at least one.
        me: who does it.
        done: what was done, for the message: `Starred`.
        what: as `core.team.actions.annotate` takes it.

    Returns:
        The ids of those that were changed.
    """
    changed, refused = set(), []
    for run in runs:
        try:
            actions.annotate(me, run.paths.root, run.id, **what)
            changed.add(run.id)
        except FerError as error:
            refused.append(str(error))
    st.session_state[REFUSED] = refused
    if changed:
        say(f"{done} {runs[0].name}." if len(changed) == len(runs) == 1 else f"{done} {len(changed):,} runs.")
    return changed
