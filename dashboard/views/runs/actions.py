"""What can be done with the runs that are selected on the Runs page."""

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
    """The bar above the table, always on one line: in a table that moves, a click would select the wrong row."""
    ids = [run.id for run in selected]
    with st.container(horizontal=True, vertical_alignment="center"):
        label = f"Compare {len(ids)}" if ids else "Compare"
        if st.button(label, icon=":material/compare_arrows:", disabled=len(ids) < 2, key="compare"):
            go_to(COMPARE_PAGE, runs=",".join(ids))
        st.download_button(
            f"Export CSV ({len(selected or shown):,})",
            lambda: runs_as_csv(selected or shown),
            "runs.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            help="Export metrics and settings of the selected (or all filtered) runs",
        )
        st.caption("Select runs to compare, tag, star, archive or delete.", width="content")


def change(selected: list[Run], shown: list[Run]) -> None:
    """The buttons that change the selected runs, below the table."""
    if selected:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            buttons(selected, shown)
    for sentence in st.session_state.pop(REFUSED, []):
        st.warning(escape(sentence), icon=":material/error:")


def buttons(selected: list[Run], shown: list[Run]) -> None:
    """Star, tags, name and notes, archive, delete."""
    name = visitor.who()
    off: dict[str, Any] = {"disabled": not name, "help": None if name else f"{visitor.ENTER_NAME} first"}
    starred = all(run.meta.starred for run in selected)
    if st.button("Unstar" if starred else "Star", icon=":material/star:", key="star", **off):
        annotate_each(selected, name, changes={"starred": not starred})
    with st.popover("Tags", icon=":material/sell:", **off):
        tag_dialog(selected, shown, name)
    if len(selected) == 1:
        with st.popover("Name and notes", icon=":material/edit:", **off):
            edit_text(selected[0], name, "name")
            edit_text(selected[0], name, "notes")
    archived = all(run.meta.archived for run in selected)
    if st.button("Unarchive" if archived else "Archive", icon=":material/archive:", key="archive", **off):
        annotate_each(selected, name, changes={"archived": not archived})
    with st.popover("Delete", icon=":material/delete:"):
        delete(selected)
    if not name:
        st.caption(f"{visitor.ENTER_NAME} to change runs.", width="content")


def tag_dialog(selected: list[Run], shown: list[Run], name: str) -> None:
    """Tags to add to all selected runs, and to remove from them."""
    known = sorted({tag for run in shown for tag in run.meta.tags})
    add = st.multiselect("Add", known, key="tags-add", accept_new_options=True, placeholder="Add or create a tag")
    present = sorted({tag for run in selected for tag in run.meta.tags})
    remove = st.multiselect("Remove", present, key="tags-remove", placeholder="Any") if present else []
    if st.button("Apply", type="primary", key="tags-change", disabled=not (add or remove)):
        annotate_each(selected, name, tag=add, untag=remove)


def delete(selected: list[Run]) -> None:
    """Says what is deleted, and deletes it."""
    if any(run.state.is_live for run in selected):
        st.write("Stop running or queued runs before deleting.")
        return
    st.write("This will permanently delete:")
    with st.container(height=min(60 * len(selected) + 20, 320), border=False):
        for run in selected:
            st.text(f"{run.name}: {what_is_lost(run)}")
    off = not may_delete(selected)
    if st.button(
        f"Delete {len(selected)} run{'' if len(selected) == 1 else 's'} permanently",
        type="primary",
        key="delete",
        disabled=off,
    ):
        each(selected, lambda run: delete_run(run.paths.root, run.id, shipped=True))


def annotate_each(selected: Sequence[Run], name: str, **what: Any) -> None:
    """Make the same change to each of these runs."""
    each(selected, lambda run: annotate(run.paths, name, **what))


def each(runs: Sequence[Run], act: Callable[[Run], object]) -> None:
    """Do something to each run; a refusal is shown after the rerun, and does not keep the others back."""
    refused = []
    for run in runs:
        try:
            act(run)
        except FerError as error:
            refused.append(str(error))
    st.session_state[REFUSED] = refused
    st.rerun(scope="app")


def runs_as_csv(runs: list[Run]) -> str:
    """Metrics and settings of these runs."""
    rows, text = as_rows(runs), io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
