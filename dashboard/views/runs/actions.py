"""What can be done with the runs that are selected on the Runs page."""

import csv
import io
from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from core.errors import FerError
from core.review.runs import annotate
from core.runs.records import Run
from core.runs.table import as_rows
from dashboard.state import visitor
from dashboard.ui.confirm import confirm_delete
from dashboard.ui.format import escape
from dashboard.ui.messages import say
from dashboard.ui.notes import edit_text
from dashboard.ui.page import COMPARE_PAGE, go_to

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
        annotate_each(selected, name, "Unstarred" if starred else "Starred", changes={"starred": not starred})
    with st.popover("Tags", icon=":material/sell:", **off):
        tag_dialog(selected, shown, name)
    if len(selected) == 1:
        with st.popover("Name and notes", icon=":material/edit:", **off):
            edit_text(selected[0], name, "name")
            edit_text(selected[0], name, "notes")
    archived = all(run.meta.archived for run in selected)
    if st.button("Unarchive" if archived else "Archive", icon=":material/archive:", key="archive", **off):
        annotate_each(selected, name, "Unarchived" if archived else "Archived", changes={"archived": not archived})
    if st.button("Delete…", icon=":material/delete:", key="delete"):
        confirm_delete(selected, partial(st.rerun, scope="app"))
    if not name:
        st.caption(f"{visitor.ENTER_NAME} to change runs.", width="content")


def tag_dialog(selected: list[Run], shown: list[Run], name: str) -> None:
    """Tags to add to all selected runs, and to remove from them."""
    known = sorted({tag for run in shown for tag in run.meta.tags})
    add = st.multiselect("Add", known, key="tags-add", accept_new_options=True, placeholder="Add or create a tag")
    present = sorted({tag for run in selected for tag in run.meta.tags})
    remove = st.multiselect("Remove", present, key="tags-remove", placeholder="Any") if present else []
    if st.button("Apply", type="primary", key="tags-change", disabled=not (add or remove)):
        annotate_each(selected, name, "Changed the tags of", tag=add, untag=remove)


def annotate_each(selected: Sequence[Run], name: str, done: str, **what: Any) -> None:
    """Make the same change to each of these runs; a refusal is shown after the rerun, and does not keep the others
    back.

    Args:
        selected: the runs.
        name: who does it.
        done: what was done, for the message: `Starred`.
        what: as `core.review.runs.annotate` takes it.
    """
    refused = []
    for run in selected:
        try:
            annotate(run.paths, name, **what)
        except FerError as error:
            refused.append(str(error))
    st.session_state[REFUSED] = refused
    if count := len(selected) - len(refused):
        say(f"{done} {selected[0].name}." if count == len(selected) == 1 else f"{done} {count:,} runs.")
    st.rerun(scope="app")


def runs_as_csv(runs: list[Run]) -> str:
    """Metrics and settings of these runs."""
    rows, text = as_rows(runs), io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
