"""What can be done with the runs that are ticked on the Runs page."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.errors import FerError
from core.review.runs import annotate
from core.runs.records import Run
from core.runs.table import as_rows
from dashboard.state import visitor
from dashboard.ui.confirm import confirm_delete
from dashboard.ui.downloads import spreadsheet_csv
from dashboard.ui.format import escape
from dashboard.ui.messages import say
from dashboard.ui.notes import edit_text
from dashboard.ui.page import COMPARE_PAGE, go_to
from dashboard.ui.runs import open_run
from dashboard.views.runs import ticks

REFUSED = "runs-refused"


def actions_bar(ticked: list[Run], shown: list[Run]) -> None:
    """The buttons above the table, always all of them: in a table that moves, a click would tick the wrong row.

    Args:
        ticked: what they act on; some may be on other pages, or hidden by filters.
        shown: the runs that match the filters.
    """
    name, none = visitor.who(), not ticked
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        choose_ticked(ticked, shown)
        if st.button("Open", icon=":material/open_in_new:", key="open-ticked", disabled=len(ticked) != 1):
            open_run(ticked[0].id)
        label = f"Compare {len(ticked)}" if ticked else "Compare"
        if st.button(label, icon=":material/compare_arrows:", disabled=len(ticked) < 2, key="compare"):
            go_to(COMPARE_PAGE, runs=",".join(run.id for run in ticked))
        with st.popover("Edit", icon=":material/edit:", disabled=none):
            if ticked:
                edit(ticked, shown, name)
        archived = bool(ticked) and all(run.meta.archived for run in ticked)
        if st.button(
            "Unarchive" if archived else "Archive",
            icon=":material/archive:",
            key="archive",
            disabled=none or not name,
            help=None if name else f"{visitor.ENTER_NAME} first",
        ):
            set_archived(ticked, name, not archived)
        if st.button("Delete…", icon=":material/delete:", key="delete", disabled=none):
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


# --- changes


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
