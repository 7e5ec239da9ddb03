"""Two runs compared image by image: which errors one fixed, and where it regressed."""

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.comparison.baseline import check_matchable
from core.comparison.candidates import has_predictions
from core.data.identity import different_data
from core.errors import RunError
from core.evaluation.fixed_broken import changes_per_class, fixed_and_broken
from core.labels import LABELS
from core.numbers import signed
from core.review.corrections import run_corrections
from core.review.draft import same_data
from core.runs.ensembles import Candidate, runs_of
from core.runs.records import Run
from core.splits import dataset_split
from dashboard.state import cache
from dashboard.state.roots import data_root, runs_root
from dashboard.ui import pagination
from dashboard.ui.components.wall import Tile, static_wall
from dashboard.ui.faces import say_why_no_images, unchanged_dataset_of
from dashboard.ui.format import escape, percent
from dashboard.ui.runs import choose_id, choose_run, in_a_list
from dashboard.ui.table import show_table

CHANGES_PER_PAGE: Final = 30
GALLERIES: Final = {"fixed": "Fixed", "broken": "Regressed", "both wrong": "Both wrong"}
"""Outcome of an image, as `core.evaluation.fixed_broken` names it, to its label."""


def against_parent(run: Run, split: str) -> None:
    """For the page of a run: its errors compared with those of the run it was cloned from, if there is one."""
    if not run.meta.parent:
        return
    try:
        parent = cache.run(runs_root(), run.meta.parent)
    except RunError:
        return  # deleted: the page says so where it names the parent
    st.header(f"Changes vs {escape(parent.name)}", anchor=False)
    if not all(each.paths.has_predictions(split) for each in (parent, run)):
        st.caption(f"Available once both runs are evaluated on {split}.")
        return
    note_corrections(run)
    changes(parent, run, split, prefix="")


def draw_against_baseline(baseline: Candidate, runs: Sequence[Candidate], split: str) -> None:
    """For the Compare page: what another run or ensemble fixed, and where it regressed, against the baseline."""
    evaluated = [run for run in runs if run.id != baseline.id and has_predictions(run, split)]
    others = {run.id: run for run in evaluated if not different_data(run.data, baseline.data)}
    if not others or not has_predictions(baseline, split):
        st.caption(f"Available once the baseline and another run on its dataset have {split} predictions.")
        return
    st.header("Changes vs baseline", anchor=False)
    first = next(iter(others))
    if len(others) > 1:
        first = choose_id(
            "Compare with", list(others), first, lambda name: in_a_list(others[name]), "beside", may_change=True
        )
    changes(baseline, others[first], split, prefix="compare-")


def compare_with_run(run: Run, split: str, runs: Sequence[Run]) -> None:
    """For the Errors page: this run compared with another on the same dataset, its parent first."""
    fitting = [each for each in same_data(run, runs) if each.id != run.id and each.paths.has_predictions(split)]
    if not fitting:
        st.info(f"No other run on this dataset has {split} predictions.", icon=":material/compare:")
        return
    fitting.sort(key=lambda each: each.id != run.meta.parent)
    other = choose_run(fitting, label="Compare with", parameter="beside", may_change=True)
    changes(other, run, split, prefix="errors-")


def note_corrections(run: Run) -> None:
    """Which correction set it was trained with."""
    corrections = run_corrections(run.paths)
    if corrections:
        st.caption(
            f"Trained with the correction set {escape(corrections.name)}: {corrections.in_words()}. "
            "Both runs are evaluated on the original labels."
        )


def changes(before: Candidate, after: Candidate, split: str, prefix: str) -> None:
    """Counts per class, and the images of each kind; `prefix` begins the name of the choice in the address, of which
    no two pages have the same."""
    check_matchable(before, after)
    found = fixed_and_broken(*(cache.predictions_of(each, split) for each in (before, after)))
    counts = found["outcome"].value_counts()
    fixed, broken, both = (int(counts[name]) for name in GALLERIES)
    st.markdown(
        f"**{escape(after.name)}** vs **{escape(before.name)}** on {split}: :green[**{fixed:,} fixed**] · "
        f":red[**{broken:,} regressed**] · {both:,} both wrong ({len(found):,} images)"
    )
    left, right = st.columns([2, 3], gap="medium")
    with left:
        changes_table(found)
    with right:
        changes_gallery(before, after, split, found, f"{prefix}change")


def changes_table(found: pd.DataFrame) -> None:
    """How many images of each true class were fixed, regressed, or wrong in both runs."""
    table = changes_per_class(found).reset_index()
    config: dict[str, Any] = {
        "label": st.column_config.TextColumn("True class", pinned=True),
        **{outcome: st.column_config.NumberColumn(label) for outcome, label in GALLERIES.items()},
        "net": st.column_config.NumberColumn("Net", help="Fixed minus regressed"),
    }
    show_table(
        table,
        column_order=list(config),
        column_config=config,
        written={"net": signed},
        hide_index=True,
        key="changes-classes",
        height="content",
    )


def changes_gallery(before: Candidate, after: Candidate, split: str, found: pd.DataFrame, key: str) -> None:
    """The images of one outcome, in descending confidence of the later run; `key` has the outcome in the address."""
    kind = st.segmented_control(
        "Images",
        list(GALLERIES),
        default="fixed",
        format_func=GALLERIES.__getitem__,
        required=True,
        key=key,
        bind="query-params",
        wrap=True,
    )
    rows = found[found["outcome"] == (kind or "fixed")].sort_values("confidence_after", ascending=False, kind="stable")
    trained = runs_of(after)[0]
    info = unchanged_dataset_of(trained)
    if not len(rows):
        st.caption("None.")
        return
    if info is None:
        say_why_no_images(trained)
        return
    pages, of = -(-len(rows) // CHANGES_PER_PAGE), f"{kind}-{before.id}-{after.id}-{split}"
    page = pagination.choose_page(pages, of)
    rows = rows.iloc[(page - 1) * CHANGES_PER_PAGE : page * CHANGES_PER_PAGE]
    images = cache.split(info.ref(data_root()), dataset_split(split))
    places = pd.Index(images.ids).get_indexer(pd.Index(rows["image"]))
    if (places < 0).any():
        st.caption("Images unavailable: the dataset has changed since these runs were trained.")
        return
    static_wall(change_tiles(rows), images.images[places], key=f"changes-wall-{after.id}")
    pagination.links_below(pages, of, page)


def change_tiles(rows: pd.DataFrame) -> list[Tile]:
    """What the wall shows: the prediction of the later run, and beneath it that of the earlier one."""
    return [
        {
            "id": row["image"],
            "true": LABELS[row["label"]],
            "predicted": LABELS[row["after"]],
            "right": row["label"] == row["after"],
            "confidence": round(row["confidence_after"], 4),
            "notes": [f"was: {LABELS[row['before']]} {percent(row['confidence_before'], 0)}"],
        }
        for row in rows.to_dict("records")
    ]
