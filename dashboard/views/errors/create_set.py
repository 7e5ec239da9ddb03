"""The dialog that makes a correction set from label reviews, with a preview of what it would contain."""

from collections.abc import Sequence
from typing import Final, Literal

import pandas as pd
import streamlit as st

from core.errors import FerError
from core.review.draft import Draft, make_corrections
from core.runs.records import Run
from core.team import actions
from dashboard.state import cache
from dashboard.state.actor import actor
from dashboard.state.roots import runs_root
from dashboard.ui.format import escape
from dashboard.ui.table import show_table

SKIP: Final = ""
"""Nobody has this name."""


def create_dialog(run: Run, candidates: Sequence[Run]) -> None:
    """A new correction set, over the page."""
    st.dialog("Create correction set", width="large")(create_body)(run, candidates)


def create_body(run: Run, candidates: Sequence[Run]) -> None:
    """Name, which reviews, and what the set would contain."""
    by_id = {each.id: each for each in candidates}
    name = st.text_input(
        "Name", max_chars=64, placeholder="e.g. first-pass", key="set-name", help="a–z, 0–9 and hyphens (max 64)"
    )
    chosen = st.multiselect(
        "Reviews from",
        list(by_id),
        [run.id] if run.id in by_id else list(by_id),
        format_func=lambda run_id: by_id[run_id].name,
        key="set-runs",
    )
    authors = sorted({review.by for run_id in chosen for review in cache.label_reviews(by_id[run_id].paths)})
    follow = st.selectbox("On conflicts", [SKIP, *authors], format_func=follow_label, key="set-follow")
    try:
        draft = make_corrections(
            name or "unnamed",
            [by_id[run_id] for run_id in chosen],
            follow=follow or None,
            read=cache.label_reviews,
        )
    except FerError as error:
        st.warning(escape(str(error)), icon=":material/playlist_remove:")
        return
    preview(draft)
    if st.button("Save", type="primary", icon=":material/save:", disabled=not name, key="set-save"):
        try:
            actions.save_corrections(actor(), runs_root(), draft.corrections)
        except FerError as error:
            st.error(escape(str(error)), icon=":material/error:")
            return
        st.rerun()


def follow_label(choice: str) -> str:
    """What is done where reviews conflict."""
    return f"Use reviewer {choice}" if choice else "Skip the image"


def preview(draft: Draft) -> None:
    """What would be in the set, and what would not."""
    st.markdown(f"**Contains: {draft.corrections.in_words()}.**")
    skipped = []
    if draft.disputed:
        skipped.append(f"{len(draft.disputed):,} with conflicting reviews")
    if draft.on_test:
        skipped.append(f"{draft.on_test:,} from test (never changed)")
    if skipped:
        st.caption(f"Skipped: {'; '.join(skipped)}.")
    entries = pd.DataFrame([entry.model_dump() for entry in draft.corrections.entries])
    names = {"split": "Split", "image": "Image", "action": "Action", "label": "New label", "by": "Reviewer"}
    height: Literal["content"] | int = "content" if len(entries) <= 6 else 240
    cells = entries.rename(columns=names)
    show_table(cells, hide_index=True, placeholder="", key="set-preview", height=height)
