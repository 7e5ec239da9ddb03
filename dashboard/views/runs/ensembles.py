"""Ensembles on the Runs page: made of the runs that are ticked, listed, and deleted."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from core.errors import FerError
from core.runs.ensembles import Ensemble, why_not_together
from core.runs.records import Run
from core.team import actions
from core.team.people import Actor
from core.team.rights import Action, may
from dashboard.state import cache, visitor
from dashboard.state.actor import actor
from dashboard.state.roots import runs_root
from dashboard.ui.confirm import confirmed
from dashboard.ui.format import escape
from dashboard.ui.messages import say
from dashboard.ui.page import COMPARE_PAGE, PREDICT_PAGE, go_to, guarded

MENU: Final = "ensemble-menu"
"""Key of the menu; in the session state, whether it is open."""
ASKED: Final = "ensemble-to-delete"
"""In the session state: the ensemble whose deletion is to be confirmed."""


def ensemble_menu(ticked: Sequence[Run], me: Actor) -> None:
    """A menu to create an ensemble of the ticked runs, and with all there are.

    Args:
        ticked: the runs.
        me: the visitor.
    """
    if asked := st.session_state.pop(ASKED, None):
        confirm_delete_ensemble(asked)
    menu = st.popover("Ensemble", icon=":material/join:", key=MENU, on_change="rerun")
    if not menu.open:
        return
    with menu:
        if may(me, Action.CREATE_ENSEMBLE):
            create_from(ticked, me)
        for ensemble in cache.ensembles(runs_root()):
            ensemble_card(ensemble, me)


def create_from(ticked: Sequence[Run], me: Actor) -> None:
    """A name, and the button; where the ticked runs cannot answer together, why."""
    st.caption("An ensemble predicts with the mean of the calibrated probabilities of its runs.")
    if len(ticked) < 2:
        st.markdown("Select two or more finished runs in the table to create one.")
        return
    if reason := why_not_together(ticked):
        st.warning(escape(f"The selected runs can't be an ensemble: {reason}."), icon=":material/link_off:")
        return
    wanted = st.text_input("Name", key="ensemble-name", placeholder="a–z, 0–9 and hyphens", max_chars=64)
    st.caption(escape(", ".join(run.name for run in ticked)))
    if st.button(
        f"Create ensemble of {len(ticked)}",
        icon=":material/add:",
        key="ensemble-create",
        disabled=not me.name or not wanted,
        help=None if me.name else f"{visitor.ENTER_NAME} first",
    ):
        try:
            actions.create_ensemble(me, runs_root(), wanted, [run.id for run in ticked])
        except FerError as error:
            st.error(escape(str(error)), icon=":material/error:")
            return
        say(f"Created ensemble {wanted}.")
        st.rerun(scope="app")


def ensemble_card(ensemble: Ensemble, me: Actor) -> None:
    """One ensemble: its members, or what is wrong with it; and what can be done with it."""
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{escape(ensemble.name)}**")
        st.caption(escape(ensemble.problem or ", ".join(run.name for run in ensemble.runs)))
        with st.container(horizontal=True, gap="small"):
            key = f"ensemble-{ensemble.name}"
            if not ensemble.problem:
                if st.button("Compare", icon=":material/compare_arrows:", key=f"{key}-compare"):
                    go_to(COMPARE_PAGE, runs=",".join([*(run.id for run in ensemble.runs), ensemble.id]))
                if st.button("Predict", icon=":material/add_reaction:", key=f"{key}-predict"):
                    go_to(PREDICT_PAGE, run=ensemble.id)
            if may(me, Action.DELETE_ENSEMBLE):
                st.button(
                    "Delete…",
                    icon=":material/delete:",
                    key=f"{key}-delete",
                    on_click=ask_to_delete,
                    args=(ensemble.name,),
                )


def ask_to_delete(name: str) -> None:
    """Close the menu, which would stay above the dialog, and open that."""
    st.session_state[MENU] = False
    st.session_state[ASKED] = name


@st.dialog("Delete ensemble?", icon=":material/delete:")
def confirm_delete_ensemble(name: str) -> None:
    """Says what would be lost, and deletes it."""
    with guarded():
        st.text(f"{name} will no longer be available on Predict and Compare. Its runs are kept.")
        if confirmed("Delete ensemble", "ensemble-delete-really", named=True):
            actions.delete_ensemble(actor(), runs_root(), name)
            say(f"Deleted ensemble {name}.", ":material/delete:")
            st.rerun()
