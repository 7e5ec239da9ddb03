"""Data: the imported datasets, and how to add one."""

import pandas as pd
import streamlit as st

from core.data.dataset import list_datasets
from core.numbers import signed
from core.team.rights import Action, may
from dashboard.state import cache
from dashboard.state.actor import actor
from dashboard.state.background import Snapshot
from dashboard.state.browser import BROWSER_COOKIE, BROWSER_KEPT_SECONDS, this_browser
from dashboard.state.roots import data_root
from dashboard.state.visitor import cookie_value
from dashboard.ui.components.behaviour import keep_cookies
from dashboard.ui.format import duration, escape
from dashboard.ui.page import TRAIN_PAGE, draw_live, go_to, page_title
from dashboard.ui.table import show_table
from dashboard.views.data import dataset, importing, kaggle


def main() -> None:
    page_title("Data", "Import a dataset once. It's validated and cached for fast loading.")
    state = cache.importer().look()
    datasets = list_datasets(data_root())
    mine = state.owner in ("", this_browser())  # how an import ended is no news for somebody else
    if mine:
        import_outcome(state)
    downloading = kaggle.kaggle_section()
    unfinished = state.running or (mine and bool(state.error))
    if may(actor(), Action.IMPORT):
        with st.expander("Add data", expanded=unfinished or not (datasets or downloading)):
            if state.running:
                draw_live(show_progress, seconds=0.5)
            else:
                importing.choices(differences=mine and bool(state.differences), newcomer=not datasets)
    elif state.running:
        draw_live(show_progress, seconds=0.5)
    elif not datasets:
        st.caption("An admin of this server can add a dataset here.")
    if datasets:
        dataset.dataset_section(datasets)
    elif not (state.running or downloading):
        st.caption("Class counts, class balance and sample images will appear here.")
    if this_browser() != cookie_value(BROWSER_COOKIE):
        keep_cookies({BROWSER_COOKIE: this_browser()}, BROWSER_KEPT_SECONDS, "browser")


def show_progress() -> None:
    """Progress of the import, which continues when this page is left."""
    state = cache.importer().look()
    if not state.running:
        st.rerun()
    left = f", {duration(state.seconds_left)} left" if state.seconds_left is not None else ""
    text = f"{state.done:,} of {state.total:,} images{left}" if state.total else "Validating…"
    st.progress(state.done / state.total if state.total else 0.0, text)
    st.caption("You can leave this page; the import continues in the background.")


def import_outcome(state: Snapshot) -> None:
    """How the last import ended."""
    if state.result:
        ready = f"{escape(state.result.title)} is ready: {state.result.total:,} images."
        if state.result.skipped:
            ready += f" {state.result.skipped:,} unreadable images skipped."
        if state.result.left_out:
            ready += f" {sum(state.result.left_out.values()):,} images excluded."
        if missing := state.result.missing_classes:
            ready += f" No images of {', '.join(missing)}: metrics leave out these classes."
        st.success(ready, icon=":material/check_circle:")
        with st.container(horizontal=True):
            if st.button("Train on this dataset", icon=":material/play_arrow:", type="primary"):
                cache.importer().forget()
                go_to(TRAIN_PAGE)
            close_import()
    elif state.differences:
        st.warning("Image counts don't match the published FER2013 counts:", icon=":material/difference:")
        table = pd.DataFrame(state.differences)
        table["difference"] = table["found"] - table["published"]
        show_table(table, written={"difference": signed}, hide_index=True, width="content", key="differences")
        close_import()
    elif state.error:
        st.error(escape(state.error), icon=":material/error:")
        close_import()


def close_import() -> None:
    """Closes how the last import ended."""
    if st.button("Close", icon=":material/close:", key="close-import"):
        cache.importer().forget()
        st.rerun()


main()
