"""Two runs beside each other, image by image: what one fixed and what it broke."""

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.comparison.baseline import check_matchable
from core.errors import RunError
from core.evaluation.fixed_broken import changes_per_class, fixed_and_broken
from core.labels import LABELS
from core.review.corrections import run_corrections
from core.review.draft import same_data
from core.runs.records import Run
from core.splits import dataset_split
from dashboard.state import cache
from dashboard.state.roots import data_root, runs_root
from dashboard.ui import pagination
from dashboard.ui.components.wall import Tile, static_wall
from dashboard.ui.faces import say_why_no_images, unchanged_dataset_of
from dashboard.ui.format import escape
from dashboard.ui.runs import choose_run, scored_splits

CHANGES_PER_PAGE: Final = 30
GALLERIES: Final = ("fixed", "broken", "both wrong")


def against_parent(run: Run) -> None:
    """For the page of a run: its errors beside those of the run it was cloned from, if there is one."""
    if not run.meta.parent:
        return
    try:
        parent = cache.run(runs_root(), run.meta.parent)
    except RunError:
        return  # gone: the page says so where it names the parent
    st.subheader(f"Errors against {escape(parent.name)}", anchor=False)
    splits = [split for split in scored_splits(run) if split in scored_splits(parent)]
    if not splits:
        st.caption("As soon as both have been scored, what this run fixed and what it broke is here.")
        return
    note_corrections(run)
    split = st.segmented_control("Split", splits, default=splits[0], required=True, key="split", bind="query-params")
    changes(parent, run, split or splits[0])


def draw_against_baseline(baseline: Run, runs: Sequence[Run], split: str) -> None:
    """For the Compare page: what another run fixed and broke against the baseline."""
    others = [run for run in runs if run.id != baseline.id and run.paths.has_predictions(split)]
    if not others or not baseline.paths.has_predictions(split):
        return
    st.subheader("Errors against the baseline", anchor=False)
    changes(
        baseline,
        choose_run(others, label="Beside", parameter="beside") if len(others) > 1 else others[0],
        split,
    )


def against_another(run: Run, split: str, runs: Sequence[Run]) -> None:
    """For the Errors page: this run beside another of the same data, its parent first."""
    fitting = [each for each in same_data(run, runs) if each.id != run.id and each.paths.has_predictions(split)]
    if not fitting:
        st.info(f"There is no other run of this data that has been scored on {split}.", icon=":material/compare:")
        return
    fitting.sort(key=lambda each: each.id != run.meta.parent)
    changes(choose_run(fitting, label="Beside", parameter="beside"), run, split)


def note_corrections(run: Run) -> None:
    """Which list it was trained with."""
    corrections = run_corrections(run.paths)
    if corrections:
        st.caption(
            f"Trained with the list {escape(corrections.name)}: {corrections.in_words()}. "
            "Both runs are judged by the labels as imported."
        )


def changes(before: Run, after: Run, split: str) -> None:
    """Counts per class, and the images of each kind."""
    check_matchable(before, after)
    earlier, later = (cache.predictions(each.paths.predictions(split)) for each in (before, after))
    assert earlier is not None and later is not None
    found = fixed_and_broken(earlier, later)
    counts = found["outcome"].value_counts()
    fixed, broken, both = (int(counts[name]) for name in GALLERIES)
    st.markdown(
        f"On {split}, **{escape(after.name)}** against **{escape(before.name)}**: :green[**{fixed:,} fixed**], "
        f":red[**{broken:,} broken**], {both:,} wrong in both, of {len(found):,} images."
    )
    left, right = st.columns([2, 3], gap="medium")
    with left:
        changes_table(found)
    with right:
        changes_gallery(before, after, split, found)


def changes_table(found: pd.DataFrame) -> None:
    """What became of the images of each true class."""
    table = changes_per_class(found).reset_index()
    config: dict[str, Any] = {
        "label": st.column_config.TextColumn("True class", pinned=True),
        "fixed": st.column_config.NumberColumn("Fixed"),
        "broken": st.column_config.NumberColumn("Broken"),
        "both wrong": st.column_config.NumberColumn("Both wrong"),
        "net": st.column_config.NumberColumn("Net", format="%+d", help="Fixed minus broken"),
    }
    st.dataframe(
        table, column_order=list(config), column_config=config, hide_index=True, key="changes-classes", height="content"
    )


def changes_gallery(before: Run, after: Run, split: str, found: pd.DataFrame) -> None:
    """The images of one kind, the surest of the later run first."""
    names = {kind: f"{kind} ({(found['outcome'] == kind).sum():,})" for kind in GALLERIES}
    kind = st.segmented_control(
        "Images",
        GALLERIES,
        default="fixed",
        format_func=names.__getitem__,
        required=True,
        key="change",
        bind="query-params",
        wrap=True,
    )
    rows = found[found["outcome"] == (kind or "fixed")].sort_values("confidence_after", ascending=False, kind="stable")
    info = unchanged_dataset_of(after)
    if not len(rows):
        st.caption("None.")
        return
    if info is None:
        say_why_no_images(after)
        return
    pages = -(-len(rows) // CHANGES_PER_PAGE)
    page = pagination.choose_page(pages, f"{kind}-{before.id}-{after.id}-{split}")
    rows = rows.iloc[(page - 1) * CHANGES_PER_PAGE : page * CHANGES_PER_PAGE]
    images = cache.split(info.ref(data_root()), dataset_split(split))
    places = pd.Index(images.ids).get_indexer(pd.Index(rows["image"]))
    if (places < 0).any():
        st.caption("The images are not shown: the data set has changed since these runs.")
        return
    static_wall(change_tiles(rows), images.images[places], key=f"changes-wall-{after.id}")


def change_tiles(rows: pd.DataFrame) -> list[Tile]:
    """What the wall shows: what the later run says, and beneath what the earlier one said."""
    return [
        {
            "id": row["image"],
            "true": LABELS[row["label"]],
            "predicted": LABELS[row["after"]],
            "right": row["label"] == row["after"],
            "confidence": round(row["confidence_after"], 4),
            "notes": [f"before {LABELS[row['before']]}, {100 * row['confidence_before']:.0f} %"],
        }
        for row in rows.to_dict("records")
    ]
