"""What can be done with the runs that are ticked on the Runs page."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from core.errors import FerError
from core.review.runs import annotate
from core.runs.delete import delete_run, what_is_lost
from core.runs.records import Run
from core.runs.table import as_rows
from dashboard.state import visitor
from dashboard.ui.format import escape
from dashboard.ui.notes import edit_text
from dashboard.ui.page import COMPARE_PAGE, go_to
from dashboard.ui.runs import may_delete

REFUSED = "runs-refused"


def actions_bar(selected: list[Run], shown: list[Run]) -> None:
    """What stands above the table, always on one line: a table that moved under the mouse would be ticked wrongly."""
    ids = [run.id for run in selected]
    with st.container(horizontal=True, vertical_alignment="center"):
        label = f"Compare {len(ids)}" if ids else "Compare"
        if st.button(label, icon=":material/compare_arrows:", disabled=len(ids) < 2, key="compare"):
            go_to(COMPARE_PAGE, runs=",".join(ids))
        st.download_button(
            f"CSV of {len(selected or shown):,}",
            lambda: runs_as_csv(selected or shown),
            "runs.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            help="All figures and settings, of the ticked runs or else of all that fit the filters",
        )
        st.caption("Tick rows to compare, tag, star, archive or delete runs.", width="content")


def change(selected: list[Run], shown: list[Run]) -> None:
    """What changes the ticked runs; stands below the table."""
    if selected:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            buttons(selected, shown)
    for sentence in st.session_state.pop(REFUSED, []):
        st.warning(escape(sentence), icon=":material/error:")


def buttons(selected: list[Run], shown: list[Run]) -> None:
    """Star, tags, name and notes, archive, delete, and who does it."""
    name = visitor.who(ask=False)
    off: dict[str, Any] = {"disabled": not name, "help": None if name else "Say who you are first"}
    starred = all(run.meta.starred for run in selected)
    if st.button("Take star away" if starred else "Star", icon=":material/star:", key="star", **off):
        annotate_each(selected, name, changes={"starred": not starred})
    with st.popover("Tags", icon=":material/sell:", **off):
        tag_dialog(selected, shown, name)
    if len(selected) == 1:
        with st.popover("Name, notes", icon=":material/edit:", **off):
            edit_text(selected[0], name, "name")
            edit_text(selected[0], name, "notes")
    archived = all(run.meta.archived for run in selected)
    if st.button("Show again" if archived else "Archive", icon=":material/archive:", key="archive", **off):
        annotate_each(selected, name, changes={"archived": not archived})
    with st.popover("Delete", icon=":material/delete:"):
        delete(selected)
    visitor.who()


def tag_dialog(selected: list[Run], shown: list[Run], name: str) -> None:
    """Words to add to all ticked runs, and to take away from them."""
    known = sorted({tag for run in shown for tag in run.meta.tags})
    add = st.multiselect("Add", known, key="tags-add", accept_new_options=True, placeholder="choose or type a word")
    present = sorted({tag for run in selected for tag in run.meta.tags})
    remove = st.multiselect("Take away", present, key="tags-remove", placeholder="any") if present else []
    if st.button("Change tags", type="primary", key="tags-change", disabled=not (add or remove)):
        annotate_each(selected, name, tag=add, untag=remove)


def delete(selected: list[Run]) -> None:
    """Names what is lost, and does it."""
    live = sum(run.state.is_live for run in selected)
    if live:
        st.write(f"{live} of these {'waits or trains: stop it' if live == 1 else 'wait or train: stop them'} first.")
        return
    st.write("Gone for good:")
    with st.container(height=min(60 * len(selected) + 20, 320), border=False):
        for run in selected:
            st.text(f"{run.name}: {what_is_lost(run)}")
    off = not may_delete(selected)
    if st.button(f"Delete {len(selected)} for good", type="primary", key="delete", disabled=off):
        each(selected, lambda run: delete_run(run.paths.root, run.id, shipped=True))


def annotate_each(selected: Sequence[Run], name: str, **what: Any) -> None:
    """The same about each of these runs."""
    each(selected, lambda run: annotate(run.paths, name, **what))


def each(runs: Sequence[Run], act: Callable[[Run], object]) -> None:
    """Do something to each run; one that refuses is told after the next drawing, and the others go on."""
    refused = []
    for run in runs:
        try:
            act(run)
        except FerError as error:
            refused.append(str(error))
    st.session_state[REFUSED] = refused
    st.rerun(scope="app")


def runs_as_csv(runs: list[Run]) -> str:
    """All figures and settings of these runs."""
    rows, text = as_rows(runs), io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
