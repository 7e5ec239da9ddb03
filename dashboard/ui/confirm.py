"""What asks before something is lost: never the first button one would press, and with a way out beside it."""

from collections.abc import Callable, Sequence

import streamlit as st

from core.errors import FerError
from core.runs.delete import what_is_lost
from core.runs.records import Run
from core.team import actions
from core.team.people import Actor
from dashboard.state import visitor
from dashboard.state.actor import actor
from dashboard.ui.messages import say
from dashboard.ui.page import guarded
from dashboard.ui.runs import may_delete


def confirmed(
    label: str,
    key: str,
    *,
    icon: str = ":material/delete_forever:",
    disabled: bool = False,
    named: bool = False,
) -> bool:
    """The last line of a dialog: Cancel, which closes it, and the button that does it.

    Args:
        label: of the button.
        key: of the button.
        icon: of the icon font.
        disabled: whether something else must be confirmed first.
        named: whether only somebody with a name may press it.

    Returns:
        Whether it was pressed.
    """
    if named and not visitor.who():
        st.caption(f"{visitor.ENTER_NAME} first.")
        disabled = True
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Cancel", key=f"{key}-cancel"):
            st.rerun()
        return st.button(f":red[{label}]", icon=icon, disabled=disabled, key=key)


@st.dialog("Delete permanently?", icon=":material/delete:")
def confirm_delete(runs: Sequence[Run], then: Callable[[], object]) -> None:
    """Says what would be lost, and deletes it.

    Args:
        runs: at least one.
        then: where to go afterwards.
    """
    with guarded():
        if any(run.state.is_live for run in runs):
            st.write("Stop running or queued runs before deleting.")
            return
        with st.container(height=min(60 * len(runs) + 20, 320), border=False):
            for run in runs:
                st.text(f"{run.name}: {what_is_lost(run)}")
        st.caption("To keep the files and just hide a run, archive it instead.")
        off = not may_delete(runs)
        count = "Delete run" if len(runs) == 1 else f"Delete {len(runs):,} runs"
        if confirmed(count, "delete-really", disabled=off, named=True):
            delete_runs(runs, actor())
            then()


def delete_runs(runs: Sequence[Run], me: Actor) -> None:
    """Delete each of them and say so; a refusal does not keep the others back."""
    done = []
    for run in runs:
        try:
            actions.delete_run(me, run.paths.root, run.id, shipped=True)
        except FerError as error:
            say(str(error), ":material/error:")
        else:
            done.append(run)
    if done:
        say(f"Deleted {done[0].name}." if len(done) == 1 else f"Deleted {len(done):,} runs.", ":material/delete:")


@st.dialog("Force stop?", icon=":material/dangerous:")
def confirm_force_stop(stop: Callable[[], object]) -> None:
    """Says what would be lost, and stops."""
    st.write("Progress since the last checkpoint will be lost. You can resume from that checkpoint.")
    with guarded():
        if confirmed("Force stop", "kill-really", icon=":material/dangerous:"):
            stop()
            st.rerun()
