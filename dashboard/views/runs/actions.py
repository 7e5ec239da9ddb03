"""What can be done with the runs that are ticked on the Runs page."""

import csv
import io
from collections.abc import Sequence
from typing import Final

import streamlit as st

from core.runs.records import Run
from core.runs.table import as_rows
from core.team.people import Actor
from core.team.rights import Action, may, why_not
from dashboard.state import visitor
from dashboard.state.actor import actor
from dashboard.ui.confirm import confirm_delete
from dashboard.ui.downloads import spreadsheet_csv
from dashboard.ui.format import escape
from dashboard.ui.page import COMPARE_PAGE, go_to
from dashboard.ui.runs import open_run
from dashboard.views.runs import ticks
from dashboard.views.runs.changes import REFUSED, edit, set_archived
from dashboard.views.runs.ensembles import ensemble_menu

BAR: Final = "ticked-actions"
"""The row of buttons; on a phone those that say no number show their icons only, by `ui/theme.css`."""


def actions_bar(ticked: list[Run], shown: list[Run]) -> None:
    """The buttons above the table, always all that the visitor may press: in a table that moves, a click would tick the
    wrong row.

    Args:
        ticked: what they act on; some may be on other pages, or hidden by filters.
        shown: the runs that match the filters.
    """
    me, none = actor(), not ticked
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=BAR):
        choose_ticked(ticked, shown)
        if st.button("Open", icon=":material/open_in_new:", key="open-ticked", disabled=len(ticked) != 1):
            open_run(ticked[0].id)
        label = f"Compare {len(ticked)}" if ticked else "Compare"
        if st.button(label, icon=":material/compare_arrows:", disabled=len(ticked) < 2, key="compare"):
            go_to(COMPARE_PAGE, runs=",".join(run.id for run in ticked))
        ensemble_menu(ticked, me)
        if may(me, Action.ANNOTATE):
            with st.popover("Edit", icon=":material/edit:", disabled=none):
                if ticked:
                    edit(ticked, shown, me)
        archived = bool(ticked) and all(run.meta.archived for run in ticked)
        change = Action.UNARCHIVE if archived else Action.ARCHIVE
        why = why_not_all(me, change, ticked) if me.name else f"{visitor.ENTER_NAME} first"
        if may(me, change) and st.button(
            "Unarchive" if archived else "Archive",
            icon=":material/archive:",
            key="archive",
            disabled=none or why is not None,
            help=why,
        ):
            set_archived(ticked, me, not archived)
        why = why_not_all(me, Action.DELETE, ticked)
        if may(me, Action.DELETE) and st.button(
            "Delete…", icon=":material/delete:", key="delete", disabled=none or why is not None, help=why
        ):
            confirm_delete(ticked, tick_none)
        st.download_button(
            f"Export CSV ({len(ticked or shown):,})",
            lambda: runs_as_csv(ticked or shown),
            "runs.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            disabled=not (ticked or shown),
            help="Metrics and settings of the selected runs, or of all that match the filters",
        )
    for sentence in st.session_state.pop(REFUSED, []):
        st.warning(escape(sentence), icon=":material/error:")


def why_not_all(me: Actor, action: Action, runs: Sequence[Run]) -> str | None:
    """Why the visitor may not do something with all of these runs; None if they may."""
    return next((why for run in runs if (why := why_not(me, action, run))), None)


def choose_ticked(ticked: Sequence[Run], shown: Sequence[Run]) -> None:
    """Which runs are ticked, those on other pages included, and a way to tick without a mouse."""
    menu = st.popover(f"{len(ticked):,} selected", icon=":material/checklist:", key="ticked-menu", on_change="rerun")
    if not menu.open:  # a thousand names are sent to those who ask for them
        return
    by_id = {run.id: run for run in (*ticked, *shown)}
    with menu:
        if st.session_state.get("tick") != [run.id for run in ticked]:
            st.session_state["tick"] = [run.id for run in ticked]
        st.multiselect(
            "Selected runs",
            list(by_id),
            format_func=lambda run_id: by_id[run_id].name,
            key="tick",
            on_change=lambda: ticks.tick(st.session_state["tick"]),
            placeholder="Type a name",
        )
        hidden = len(ticked) - sum(run.id in {each.id for each in shown} for run in ticked)
        if hidden:
            st.caption(f"{hidden:,} of them hidden by filters")
        st.button("Clear", icon=":material/close:", key="clear-ticks", on_click=ticks.tick, args=((),))


def tick_none() -> None:
    """What has been deleted is not ticked any more."""
    ticks.tick(())
    st.rerun(scope="app")


def runs_as_csv(runs: Sequence[Run]) -> bytes:
    """Metrics and settings of these runs."""
    rows, text = as_rows(runs), io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return spreadsheet_csv(text.getvalue())
