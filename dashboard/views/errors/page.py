"""Errors: what a run gets wrong, image by image, and what to do about it."""

import streamlit as st

from core.runs.records import Run
from core.runs.selection import best_run
from dashboard.state import cache
from dashboard.state.roots import runs_root
from dashboard.ui import fixed_broken
from dashboard.ui.faces import say_why_no_images
from dashboard.ui.page import TRAIN_PAGE, empty_state, guarded, page_title
from dashboard.ui.runs import choose_run, scored_splits
from dashboard.views.errors import gallery, lists, scoring, summary
from dashboard.views.errors.shown import shown_of

ERROR_TABS = ("Images", "Calibration", "Against another run", "Verdicts and lists")


def main() -> None:
    page_title("Errors", "What a network gets wrong, image by image; say why, and train again without it.")
    runs = [run for run in cache.runs(runs_root()) if scored_splits(run)]
    if not runs:
        empty_state(
            "No predictions yet",
            "As soon as a run has finished its first epoch, its mistakes on the validation images are here.",
            TRAIN_PAGE,
            "Start a run",
            ":material/play_arrow:",
        )
        return
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        run = choose_run(runs, best_run(runs))
    with right:
        split = choose_split(run)
    shown = shown_of(run, split)
    if shown is None:
        scoring.offer(run, split)
        return
    top = st.container()
    tabs = st.tabs(ERROR_TABS, key="tab", bind="query-params")
    with tabs[0]:  # even while another tab is open: what is not drawn falls out of the address
        wanted, order = gallery.filters(shown)
    with top:  # after the filters, since the matrix outlines what they choose
        summary.metrics_summary(shown, wanted)
    draw = (
        lambda: gallery.gallery(shown, wanted, order),
        lambda: summary.calibration(shown),
        lambda: fixed_broken.against_another(run, split, cache.runs(runs_root())),
        lambda: lists.lists(shown),
    )
    for tab, part in zip(tabs, draw, strict=True):
        if tab.open:
            with tab, guarded():
                part()
    if shown.images is None:
        say_why_no_images(run)


def choose_split(run: Run) -> str:
    """Those that have been scored, and train, which can be."""
    choices = scored_splits(run)
    if "train" not in choices:
        choices.append("train")
    split = st.segmented_control("Split", choices, default=choices[0], required=True, key="split", bind="query-params")
    return split or choices[0]


main()
