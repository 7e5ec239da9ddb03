"""Overview: what this is, what is running, the default model, where to start."""

import streamlit as st

from core.data.dataset import list_datasets
from core.runs.selection import best_run
from core.team.rights import Action, may
from dashboard.state import cache
from dashboard.state.actor import actor
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.page import RUNS_PAGE, TRAIN_PAGE, draw_live, go_to, page_title
from dashboard.ui.queue import interrupted, queue_table
from dashboard.ui.run_table import run_table
from dashboard.views.overview import cards
from dashboard.views.overview.first_steps import any_own, first_steps

LATEST_COLUMNS = ["name", "state", "epochs", "validation", "test", "created", "duration", "author"]
LATEST_RUNS = 10


def main() -> None:
    active = any(run.state.is_live for run in cache.runs(runs_root()))
    draw_live(overview, seconds=3 if active else None, watched=active)


def overview(watched: bool) -> None:
    """The whole page; redrawn by itself for as long as something is `watched`."""
    runs = cache.runs(runs_root())
    if watched != any(run.state.is_live for run in runs):
        st.rerun()  # the last one has ended: redraw the page, without polling
    datasets = list_datasets(data_root())
    with page_title(
        "FER Dashboard",
        "Train, compare and try out models that classify seven facial expressions in FER2013 (48×48 grayscale).",
    ):
        may_start = bool(datasets) and may(actor(), Action.START)
        if may_start and st.button("Start training", icon=":material/play_arrow:", type="primary"):
            go_to(TRAIN_PAGE)
    if not any_own(runs):
        first_steps(runs, datasets)
    interrupted(runs)
    cards.now(runs, datasets)
    queue_table(runs)
    default = best_run(runs)
    if default:
        cards.default_model(default)
    latest = [run for run in runs if not run.meta.archived][:LATEST_RUNS]
    if latest:
        st.space("xsmall")
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.header("Latest runs", anchor=False, width="content")
            st.page_link(RUNS_PAGE, label="All runs", icon=":material/arrow_forward:", icon_position="right")
        run_table(latest, "latest", LATEST_COLUMNS)


main()
