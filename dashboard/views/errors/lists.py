"""Verdicts of a run, the lists of corrections made from them, and training with such a list."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import pandas as pd
import streamlit as st

from core.data.identity import same_images
from core.errors import FerError
from core.review.corrections import Corrections, list_corrections, save_corrections
from core.review.draft import Draft, make_corrections, same_data
from core.review.images import label_review_rows
from core.runs.records import Run
from dashboard.state import cache
from dashboard.state.roots import runs_root
from dashboard.ui.format import ago, escape, exact
from dashboard.ui.page import TRAIN_PAGE, go_to
from dashboard.views.errors.shown import Shown

NOBODY: Final = "nobody: leave them out"
MEANING: Final = (
    "“Label is wrong” relabels the image; “ambiguous” and “not a face” leave it out of training; the other verdicts "
    "change nothing. Images of test are never changed, so that its figures mean the same for every run."
)


def lists(shown: Shown) -> None:
    """The tab."""
    run = shown.run
    given = label_review_rows(cache.label_reviews(run.paths))
    reviews_table(given)
    candidates = [each for each in same_data(run, cache.runs(runs_root())) if cache.label_reviews(each.paths)]
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Make a list", icon=":material/playlist_add:", type="primary", disabled=not candidates, key="make-list"
        ):
            make_dialog(run, candidates)
        st.caption(MEANING)
    saved = [each for each in list_corrections(runs_root()) if same_images([each.data, run.data])]
    st.subheader("Lists for this data", anchor=False)
    if not saved:
        st.caption("None yet. A list says which images to leave out and which to relabel; it never changes once made.")
    for each in saved:
        saved_list(run, each)


def reviews_table(given: Sequence[dict[str, Any]]) -> None:
    """What stands, the newest first."""
    standing = [row for row in reversed(given) if row["stands"]]
    if not standing:
        st.info(
            "No verdicts yet: tick images in the first tab, and say what is wrong with them.", icon=":material/gavel:"
        )
        return
    table = pd.DataFrame(standing)
    disagreed = int(table[table["disagreed"]]["image"].nunique())
    st.caption(
        f"{len(table):,} verdicts on {table['image'].nunique():,} images stand"
        + (f"; reviewers disagree about {disagreed:,}." if disagreed else ".")
    )
    config: dict[str, Any] = {
        "image": st.column_config.TextColumn("Image", width="medium"),
        "split": st.column_config.TextColumn("Split", width="small"),
        "by": st.column_config.TextColumn("By", width="small"),
        "verdict": st.column_config.TextColumn("Verdict"),
        "label": st.column_config.TextColumn("Should be", width="small"),
        "disagreed": st.column_config.CheckboxColumn("Disputed", width="small"),
        "comment": st.column_config.TextColumn("Comment", width="medium"),
        "time": st.column_config.DatetimeColumn("When", format="distance"),
    }
    st.dataframe(
        table.assign(time=pd.to_datetime(table["time"])),
        column_order=list(config),
        column_config=config,
        hide_index=True,
        placeholder="",
        key="verdicts",
        height="content" if len(table) <= 8 else 320,
    )


def make_dialog(run: Run, candidates: Sequence[Run]) -> None:
    """A new list, over the page."""
    st.dialog("Make a list of corrections", width="large")(make_body)(run, candidates)


def make_body(run: Run, candidates: Sequence[Run]) -> None:
    """Name, whose verdicts, and what the list would hold."""
    by_id = {each.id: each for each in candidates}
    name = st.text_input(
        "Name of the list", max_chars=64, placeholder="for instance first-look", key="list-name", help="a-z, 0-9 and -"
    )
    chosen = st.multiselect(
        "Verdicts given on",
        list(by_id),
        [run.id] if run.id in by_id else list(by_id),
        format_func=lambda run_id: by_id[run_id].name,
        key="list-runs",
    )
    authors = sorted({verdict.by for run_id in chosen for verdict in cache.label_reviews(by_id[run_id].paths)})
    follow = st.selectbox("Where reviewers want different things, follow", [NOBODY, *authors], key="list-follow")
    try:
        draft = make_corrections(
            name or "unnamed",
            [by_id[run_id] for run_id in chosen],
            follow=None if follow == NOBODY else follow,
            read=cache.label_reviews,
        )
    except FerError as error:
        st.warning(escape(str(error)), icon=":material/playlist_remove:")
        return
    preview(draft)
    if st.button("Save the list", type="primary", icon=":material/save:", disabled=not name, key="list-save"):
        try:
            save_corrections(runs_root(), draft.corrections)
        except FerError as error:
            st.error(escape(str(error)), icon=":material/error:")
            return
        st.rerun()


def preview(draft: Draft) -> None:
    """What would be in it, and what would not."""
    st.markdown(f"**It holds: {draft.corrections.in_words()}.**")
    left_out = []
    if draft.disputed:
        left_out.append(f"{len(draft.disputed):,} on which reviewers want different things")
    if draft.on_test:
        left_out.append(f"{draft.on_test:,} of test, which is never changed")
    if left_out:
        st.caption(f"Left out: {'; '.join(left_out)}.")
    entries = pd.DataFrame([entry.model_dump() for entry in draft.corrections.entries])
    names = {"split": "Split", "image": "Image", "action": "Action", "label": "New label", "by": "Whose verdict"}
    height: Literal["content"] | int = "content" if len(entries) <= 6 else 240
    st.dataframe(entries.rename(columns=names), hide_index=True, placeholder="", key="list-preview", height=height)


def saved_list(run: Run, corrections: Corrections) -> None:
    """A list, and the way to train with it."""
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap="small"
    ):
        st.markdown(f"**{escape(corrections.name)}** · {corrections.in_words()}", width="content")
        st.caption(
            f"made {ago(corrections.created_at)}, fingerprint {corrections.fingerprint[:8]}",
            help=exact(corrections.created_at),
        )
        if st.button("Train with this list", icon=":material/play_arrow:", key=f"train-{corrections.name}"):
            go_to(TRAIN_PAGE, clone=run.id, corrections=corrections.name)
