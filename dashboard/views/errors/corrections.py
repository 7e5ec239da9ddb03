"""Label reviews of a run, the correction sets made from them, and training with such a set."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import pandas as pd
import streamlit as st

from core.data.identity import same_images
from core.errors import FerError
from core.review.corrections import Corrections, list_corrections, save_corrections
from core.review.draft import Draft, make_corrections, same_data
from core.review.images import DECISION_LABELS, label_review_rows
from core.runs.records import Run
from dashboard.state import cache
from dashboard.state.roots import runs_root
from dashboard.ui.format import ago, escape, exact
from dashboard.ui.page import TRAIN_PAGE, go_to
from dashboard.views.errors.shown import Shown

SKIP: Final = ""
"""Nobody has this name."""
MEANING: Final = (
    "“Wrong label” relabels; “Ambiguous” and “Not a face” exclude from training; other reviews have no effect. "
    "Test labels are never changed."
)


def label_corrections(shown: Shown) -> None:
    """The tab."""
    run = shown.run
    reviews_table(label_review_rows(cache.label_reviews(run.paths)))
    candidates = [each for each in same_data(run, cache.runs(runs_root())) if cache.label_reviews(each.paths)]
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Create correction set",
            icon=":material/playlist_add:",
            type="primary",
            disabled=not candidates,
            key="create-set",
        ):
            create_dialog(run, candidates)
        st.caption(MEANING)
    saved = [each for each in list_corrections(runs_root()) if same_images([each.data, run.data])]
    st.subheader("Correction sets", anchor=False)
    if not saved:
        st.caption("None yet. A correction set is an immutable set of relabels and exclusions.")
    for each in saved:
        saved_set(run, each)


def reviews_table(rows: Sequence[dict[str, Any]]) -> None:
    """The current reviews, the newest first."""
    current = [row for row in reversed(rows) if row["stands"]]
    if not current:
        st.info("No reviews yet. Select images on the Images tab and mark what's wrong.", icon=":material/rate_review:")
        return
    table = pd.DataFrame(current)
    conflicts = int(table[table["disagreed"]]["image"].nunique())
    images = table["image"].nunique()
    st.caption(
        f"{len(table):,} review{'s' if len(table) > 1 else ''} on {images:,} image{'s' if images > 1 else ''}"
        + (f", {conflicts:,} with conflicting reviews." if conflicts else ".")
    )
    config: dict[str, Any] = {
        "image": st.column_config.TextColumn("Image", width="medium"),
        "split": st.column_config.TextColumn("Split", width="small"),
        "by": st.column_config.TextColumn("Reviewer", width="small"),
        "verdict": st.column_config.TextColumn("Review"),
        "label": st.column_config.TextColumn("Correct label"),
        "disagreed": st.column_config.CheckboxColumn("Conflict", width="small"),
        "comment": st.column_config.TextColumn("Comment", width="medium"),
        "time": st.column_config.DatetimeColumn("Date", format="distance"),
    }
    st.dataframe(
        table.assign(time=pd.to_datetime(table["time"]), verdict=table["verdict"].map(DECISION_LABELS)),
        column_order=list(config),
        column_config=config,
        hide_index=True,
        placeholder="",
        key="reviews",
        height="content" if len(table) <= 8 else 320,
    )


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
            save_corrections(runs_root(), draft.corrections)
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
    st.dataframe(entries.rename(columns=names), hide_index=True, placeholder="", key="set-preview", height=height)


def saved_set(run: Run, corrections: Corrections) -> None:
    """A correction set, and the way to train with it."""
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap="small"
    ):
        st.markdown(f"**{escape(corrections.name)}** · {corrections.in_words()}", width="content")
        st.caption(
            f"Created {ago(corrections.created_at)}, fingerprint {corrections.fingerprint[:8]}",
            help=exact(corrections.created_at),
        )
        if st.button("Train with this set", icon=":material/play_arrow:", key=f"train-{corrections.name}"):
            go_to(TRAIN_PAGE, clone=run.id, corrections=corrections.name)
