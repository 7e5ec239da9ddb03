"""Label reviews of a run, the correction sets made from them, and training with such a set."""

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.data.identity import same_images
from core.review.corrections import Corrections, list_corrections
from core.review.draft import same_data
from core.review.images import DECISION_LABELS, label_review_rows
from core.runs.records import Run
from core.team.rights import Action, may
from dashboard.state import cache
from dashboard.state.actor import actor
from dashboard.state.roots import runs_root
from dashboard.ui.format import ago, escape, exact
from dashboard.ui.page import TRAIN_PAGE, go_to
from dashboard.ui.table import show_table
from dashboard.views.errors.create_set import create_dialog
from dashboard.views.errors.shown import Shown

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
        if may(actor(), Action.CREATE_CORRECTIONS) and st.button(
            "Create correction set",
            icon=":material/playlist_add:",
            type="primary",
            disabled=not candidates,
            key="create-set",
        ):
            create_dialog(run, candidates)
        st.caption(MEANING)
    saved = [each for each in list_corrections(runs_root()) if same_images([each.data, run.data])]
    st.header("Correction sets", anchor=False)
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
    show_table(
        table.assign(time=pd.to_datetime(table["time"]), verdict=table["verdict"].map(DECISION_LABELS)),
        column_order=list(config),
        column_config=config,
        hide_index=True,
        placeholder="",
        key="reviews",
        height="content" if len(table) <= 8 else 320,
    )


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
        if may(actor(), Action.CLONE) and st.button(
            "Train with this set", icon=":material/play_arrow:", key=f"train-{corrections.name}"
        ):
            go_to(TRAIN_PAGE, clone=run.id, corrections=corrections.name)
