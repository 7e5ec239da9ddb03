"""Error analysis: the misclassified images of a run, label reviews, and correction sets."""

import streamlit as st

from core.evaluation.metrics import confusion
from core.runs.records import Run
from core.runs.selection import best_run
from dashboard.state import cache
from dashboard.state.roots import runs_root
from dashboard.ui import fixed_broken
from dashboard.ui.faces import say_why_no_images
from dashboard.ui.page import ERRORS_PAGE, TRAIN_PAGE, empty_state, follow_renamed, guarded, page_title, say_unknown
from dashboard.ui.runs import choose_run, scored_splits
from dashboard.views.errors import calibration, corrections, gallery, scoring, summary
from dashboard.views.errors.matrix import confusion_matrix
from dashboard.views.errors.shown import shown_of

ERROR_TABS = ("Images", "Per-class metrics", "Calibration", "Compare with run", "Label corrections")
RENAMED = {
    "errors-tab": {"Against another run": "Compare with run", "Verdicts and lists": "Label corrections"},
    "unit": {"By row": "Rows (recall)", "By column": "Columns (precision)"},
    "show": {"right": "Correct", "all": "All"},
    "order": {
        "most confident": "Most confident",
        "least confident": "Least confident",
        "narrowest margin": "Smallest margin",
        "most suspicious label": "Likely label error",
    },
    "verdict": {
        "none yet": "Not reviewed",
        "some": "Reviewed",
        "disagreement": "Conflicting",
        "label is wrong": "Wrong label",
        "ambiguous": "Ambiguous",
        "hard but right": "Hard, label correct",
        "not a face": "Not a face",
        "model's fault": "Model error",
    },
    "copies": {
        "also in train": "In train",
        "also outside train": "Outside train",
        "repeated in this set": "Exact duplicate",
        "copies under different labels": "Conflicting labels",
        "near-duplicate": "Near-duplicate",
        "flat": "Blank",
    },
}
"""Choices in addresses of older versions."""


def main() -> None:
    follow_renamed(ERRORS_PAGE, RENAMED)
    page_title("Error analysis", "Browse misclassified images, review their labels, and retrain with the corrections.")
    runs = [run for run in cache.runs(runs_root()) if scored_splits(run)]
    if not runs:
        empty_state(
            "No predictions yet",
            "Misclassified validation images will appear after a run's first epoch.",
            TRAIN_PAGE,
            "Start a run",
            ":material/play_arrow:",
        )
        return
    left, right = st.columns([3, 2])
    with left:
        run = choose_run(runs, best_run(runs))
    with right:
        split = choose_split(run)
    shown = shown_of(run, split)
    if shown is None:
        scoring.offer(run, split)
        return
    summary.metric_cards(shown)
    tabs = st.tabs(ERROR_TABS, key="errors-tab", bind="query-params")
    with tabs[0]:  # even while another tab is open: what is not drawn falls out of the address
        choice, images = st.columns([2, 3], gap="medium")
    with choice:
        place = st.container()
        wanted, order = gallery.filters(shown)
    with place:  # after the filters, since the matrix outlines what they select
        confusion_matrix(confusion(shown.table["label"].to_numpy(), shown.table["predicted"].to_numpy()), wanted)

    def image_gallery() -> None:
        with images:
            gallery.gallery(shown, wanted, order)

    draw = (
        image_gallery,
        lambda: summary.per_class(shown),
        lambda: calibration.calibration(shown),
        lambda: fixed_broken.compare_with_run(run, split, cache.runs(runs_root())),
        lambda: corrections.label_corrections(shown),
    )
    for tab, part in zip(tabs, draw, strict=True):
        if tab.open:
            with tab, guarded():
                part()
    if shown.images is None:
        say_why_no_images(run)


def choose_split(run: Run) -> str:
    """Those with predictions, and train, which can be scored."""
    choices = scored_splits(run)
    if "train" not in choices:
        choices.append("train")
    say_unknown("split", choices)
    split = st.segmented_control("Split", choices, default=choices[0], required=True, key="split", bind="query-params")
    return split or choices[0]


main()
