"""Data: which sets there are, and how to get one."""

import pandas as pd
import streamlit as st

from core.data.dataset import list_datasets
from dashboard.state import cache
from dashboard.state.background import Snapshot
from dashboard.state.roots import data_root
from dashboard.ui.format import duration, escape
from dashboard.ui.page import TRAIN_PAGE, draw_live, go_to, page_title
from dashboard.views.data import dataset, importing, kaggle


def main() -> None:
    page_title("Data", "Import FER2013 once; it is checked, kept as arrays, and opened in milliseconds.")
    importer = cache.importer()
    state = importer.look()
    datasets = list_datasets(data_root())
    outcome(state)
    downloading = kaggle.kaggle_section()
    unfinished = state.running or bool(state.error)
    with st.expander("Get data", expanded=unfinished or not (datasets or downloading), icon=":material/add:"):
        if state.running:
            draw_live(show_progress, seconds=0.5)
        else:
            importing.choices(state)
    if datasets:
        dataset.dataset_section(datasets)
    elif not (state.running or downloading):
        st.caption("The counts per class, the class balance and sample faces of each data set will be here.")


def show_progress() -> None:
    """How far the import is. It goes on when this page is left."""
    state = cache.importer().look()
    if not state.running:
        st.rerun()
    left = f", {duration(state.seconds_left)} left" if state.seconds_left is not None else ""
    text = f"{state.done:,} of {state.total:,} images{left}" if state.total else "Opening and checking …"
    st.progress(state.done / state.total if state.total else 0.0, text)
    st.caption("You may leave this page: the import goes on.")


def outcome(state: Snapshot) -> None:
    """How the last import ended."""
    if state.result:
        ready = f"{escape(state.result.title)} is ready: {state.result.total:,} images."
        if state.result.skipped:
            ready += f" {state.result.skipped:,} could not be read and were left out."
        if state.result.left_out:
            ready += f" {sum(state.result.left_out.values()):,} were left out."
        st.success(ready, icon=":material/check_circle:")
        with st.container(horizontal=True):
            if st.button("Start training on it", icon=":material/play_arrow:", type="primary"):
                cache.importer().forget()
                go_to(TRAIN_PAGE)
            if st.button("Close", icon=":material/close:"):
                cache.importer().forget()
                st.rerun()
    elif state.differences:
        st.warning(
            "The images are readable, but their numbers are not the published ones:", icon=":material/difference:"
        )
        table = pd.DataFrame(state.differences)
        table["difference"] = table["found"] - table["published"]
        st.dataframe(table, hide_index=True, width="content", key="differences")
    elif state.error:
        st.error(escape(state.error), icon=":material/error:")


main()
