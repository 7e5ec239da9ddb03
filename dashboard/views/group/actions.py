"""What can be done with all runs of a group: stop, resume, delete the group."""

from collections.abc import Sequence

import streamlit as st

from core.jobs.groups import GroupChange, is_resumed_with_group
from core.runs.groups import Group, Members
from core.runs.records import Run, RunState
from core.team import actions as team
from core.team.rights import Action, may
from dashboard.state.actor import actor
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.confirm import confirmed
from dashboard.ui.messages import say
from dashboard.ui.page import GROUP_PAGE, go_to, guarded


def group_actions(group: Group, members: Members) -> None:
    """The buttons at the top of a group's page, those that the visitor may press."""
    live = [run for run in members.runs if run.state.is_live]
    if live and may_with_all(Action.STOP_GROUP, members.runs):
        asked = all(run.paths.stop_request.exists() for run in live)
        if st.button("Stopping…" if asked else "Stop all", icon=":material/stop:", key="stop-group", disabled=asked):
            confirm_stop(group.name, len(live))
    busy = any(run.state is not RunState.LOST for run in live)  # of a lost one nobody knows
    if not busy and (count := resumable(group, members)) and may_with_all(Action.RESUME_GROUP, members.runs):
        label = f"Resume {count} run{'' if count == 1 else 's'}"
        if st.button(label, icon=":material/resume:", key="resume-group", help="Each from its last checkpoint"):
            tell(team.resume_group(actor(), runs_root(), data_root(), group.name), "Requeued")
            st.rerun(scope="app")
    if not live and may(actor(), Action.DELETE_GROUP):
        chosen = st.menu_button(
            "More", [":material/delete: Delete group…"], icon=":material/more_horiz:", key="more-group"
        )
        if chosen:
            confirm_delete_group(group.name, group.title)


def may_with_all(action: Action, runs: Sequence[Run]) -> bool:
    """Whether the visitor may do something with each of these runs."""
    me = actor()
    return may(me, action) and all(may(me, action, run) for run in runs)


def resumable(group: Group, members: Members) -> int:
    """How many runs a resume of the group requeues, and starts for the first time."""
    ended = sum(map(is_resumed_with_group, members.runs))
    return ended + (0 if group.record.complete else len(members.missing))


def tell(change: GroupChange, done: str) -> None:
    """Say what became of a change once the page is drawn again: how many, and what went wrong."""
    if change.runs:
        say(f"{done} {len(change.runs)} run{'' if len(change.runs) == 1 else 's'}.")
    for problem in change.problems:
        say(problem, ":material/error:")


@st.dialog("Stop all runs?", icon=":material/stop:")
def confirm_stop(name: str, count: int) -> None:
    """Says what happens to the runs, and stops them."""
    with guarded():
        st.write(
            "Queued runs leave the queue. Running ones stop at their next batch and keep a checkpoint, from which "
            "they can be resumed. Finished runs stay as they are."
        )
        if confirmed(f"Stop {count} run{'' if count == 1 else 's'}", "stop-group-really", icon=":material/stop:"):
            tell(team.stop_group(actor(), runs_root(), name), "Stopping")
            st.rerun()


@st.dialog("Delete group?", icon=":material/delete:")
def confirm_delete_group(name: str, title: str) -> None:
    """Says what would be lost, and deletes the group."""
    with guarded():
        st.text(f"{title} will no longer be listed as a group. Its runs are kept.")
        if confirmed("Delete group", "delete-group-really", named=True):
            team.delete_group(actor(), runs_root(), name)
            say(f"Deleted group {title}.", ":material/delete:")
            go_to(GROUP_PAGE)
